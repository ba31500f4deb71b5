"""Pages of the core, and what every page needs to know of a request."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """The address a request came from; None where the server does not know it (a unix socket).

    Each trusted proxy appends one entry to X-Forwarded-For, so the client stands that many entries
    from the right; what stands further left is the client's own claim and is not believed.
    """
    direct = _parsed(request.META.get("REMOTE_ADDR", ""))
    proxies = settings.TRUSTED_PROXIES
    if proxies < 1:
        return direct
    hops = [hop for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    claimed = hops[-proxies] if len(hops) >= proxies else (hops[0] if hops else "")
    return _parsed(claimed) or direct


def _parsed(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip().partition("%")[0]))
    except ValueError:
        return None
