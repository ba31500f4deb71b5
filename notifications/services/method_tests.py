"""Trying one's own contact methods."""

from datetime import datetime, timedelta
from uuid import uuid4

from django.db import transaction

from notifications.models import Notification
from notifications.selectors import get_contact_method_for
from notifications.services.notices import NoticeRequest, build_notice
from notifications.services.nudging import wake_channels
from opsknight.errors import Conflict
from opsknight.models import User
from opsknight.services.audit import record_change

# A second test within this time, while the first is on its way, would tell nothing new.
TEST_PAUSE = timedelta(seconds=30)
# In an hour: each may cost money, and rings.
MAX_TESTS = 20


@transaction.atomic
def send_method_test(*, user: User, pk: int, now: datetime, ip: str | None = None) -> Notification:
    """Queue a test message to an address of one's own, sent by the same way as pages.

    Raises NotFound for anybody else's, Conflict for one that cannot be used, and while a test is
    on its way.
    """
    method = get_contact_method_for(user, pk)
    if not method.is_usable:
        raise Conflict(f"Nothing can be sent there: {method.health.words}.")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    tests = Notification.objects.filter(
        user=user, incident=None, reason=Notification.Reason.TEST,
        created_at__gt=now - timedelta(hours=1),
    )  # fmt: skip
    if tests.count() >= MAX_TESTS:
        raise Conflict("You sent many tests within an hour. Wait a while.")
    under_way = tests.filter(contact_method=method, state__in=Notification.UNFINISHED)
    if under_way.filter(created_at__gt=now - TEST_PAUSE).exists():
        raise Conflict("A test is on its way already.")
    request = NoticeRequest(
        user_id=user.pk,
        subject="Test of OpsKnight",
        text=f"Pages reach {user} here. Nothing is wrong.",
        link="/settings/notifications/",
        cause=f"test:{uuid4()}",
    )
    row = build_notice(request, method.channel, method.address, now, Notification.Reason.TEST)
    row.contact_method_id = method.pk
    row.save(force_insert=True)
    record_change(actor=user, action="contact_method.tested", entity=method, ip=ip)
    wake_channels([method.channel])
    return row
