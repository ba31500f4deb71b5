"""The address of a calendar as people copy it, and as it is asked for."""

from urllib.parse import urlsplit

MAX_LENGTH = 2000
SCHEMES = {"webcal": "https", "webcals": "https", "https": "https", "http": "http"}


def read_address(text: str) -> str:
    """Return the address to ask; raises ValueError with what to do instead.

    webcal:// means https://. Where the name leads is checked at every request: names change.
    """
    address = text.strip()
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in SCHEMES or not rest:
        raise ValueError("Use an address that starts with https://, http:// or webcal://.")
    address = f"{SCHEMES[scheme.lower()]}://{rest}"
    try:
        parts = urlsplit(address)
        is_usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or len(address) > MAX_LENGTH:
        raise ValueError("This is not the address of a calendar.")
    if parts.username is not None:
        raise ValueError("Leave user and password out: use the secret address of the calendar.")
    if not address.isascii() or not address.isprintable() or " " in address:
        raise ValueError("Write other than plain characters as %XX, names as xn--….")
    return address
