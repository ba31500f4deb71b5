"""The outward heartbeat: a monitor elsewhere notices when it does not come any more."""

import logging
from datetime import timedelta

import httpcore
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from escalations.models import EngineAudit, EnginePass, OnCallSettings
from notifications.outgoing_http import BadRedirect, PrivateAddress, TooLarge, get

logger = logging.getLogger(__name__)

MAX_PASS_AGE = timedelta(seconds=60)
MAX_AUDIT_AGE = timedelta(minutes=3)
RETRY = timedelta(seconds=10)
SECONDS = 10.0  # for the whole request
MAX_BYTES = 64 * 1024


def tell_outside() -> bool:
    """Ask for the heartbeat address, if one is set, the time has come and the engine is healthy.

    Returns whether the other side took it. Two at once ask once: the due instant is claimed.
    """
    wanted = OnCallSettings.objects.filter(pk=OnCallSettings.ONLY).exclude(heartbeat_url="").first()
    if wanted is None or not _claim(timedelta(seconds=wanted.heartbeat_seconds)):
        return False
    reason = why_unhealthy() or _ask(wanted.heartbeat_url)
    row = EngineAudit.objects.filter(pk=EngineAudit.ONLY)
    if not reason:
        row.update(heartbeat_at=Now(), heartbeat_error="")
        return True
    logger.error("The outward heartbeat was not sent or not taken: %s", reason)
    row.update(heartbeat_due_at=Now() + RETRY, heartbeat_error=reason)
    return False


def _claim(every: timedelta) -> bool:
    is_due = Q(heartbeat_due_at=None) | Q(heartbeat_due_at__lte=Now())
    # An instant further ahead was set before the clock was put back, or with a longer interval.
    is_due |= Q(heartbeat_due_at__gt=Now() + every)
    row = EngineAudit.objects.filter(is_due, pk=EngineAudit.ONLY)
    return bool(row.update(heartbeat_due_at=Now() + every))


def why_unhealthy() -> str:
    """Why nobody should rely on paging now; empty: all is well. By the database's clock."""
    fresh = {"at__gte": Now() - MAX_PASS_AGE}
    if not EnginePass.objects.filter(**fresh).exists():
        return "The engine has not passed for a minute."
    audit = EngineAudit.objects.filter(at__gte=Now() - MAX_AUDIT_AGE).first()
    if audit is None:
        return "Nobody has looked after the engine for minutes."
    if audit.overdue:
        return f"{audit.overdue} incidents are overdue."
    if audit.repaired:
        return f"{audit.repaired} escalations had stood still when they were last looked after."
    if audit.late_pages:
        return f"{audit.late_pages} pages wait for a worker."
    return ""


def _ask(url: str) -> str:
    """GET the address; returns why it was not taken, empty when it was."""
    try:
        answer = get(
            url,
            headers={"User-Agent": "OpsKnight"},
            seconds=SECONDS,
            max_bytes=MAX_BYTES,
            allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
        )
    except PrivateAddress:
        return "The address leads into a private network."
    except TooLarge:
        return ""  # it answered, which is all that is asked for
    except BadRedirect as error:
        return str(error)
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        ValueError,  # an address that httpcore cannot read
    ) as error:
        return f"No answer ({type(error).__name__})."
    return "" if 200 <= answer.status < 300 else f"Answered {answer.status}."
