"""The link of a page, opened on a telephone by somebody who is not signed in."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import PHONE, visitor_of
from tests.stack import Stack

# A page to alice that was mailed a moment ago, and its two links.
MAILED = """
from django.utils import timezone
from incidents.models import Incident, Service
from notifications.links import SignedAnswer, sign_answer
from notifications.models import Notification
from opsknight.models import User
alice = User.objects.get(email="alice@example.com")
service, _ = Service.objects.get_or_create(name="Payments")
incident = Incident.objects.create(service=service, title="Card payments fail in Vienna")
page = Notification.objects.create(
    incident=incident, user=alice, channel="email", address=alice.email, reason="escalation",
    cause="step:0:0:0", state="sent", due_at=timezone.now(), finished_at=timezone.now())
answer = {
    "pk": incident.pk,
    "acknowledge": "/a/" + sign_answer(SignedAnswer(page.pk, "acknowledge")) + "/",
    "resolve": "/a/" + sign_answer(SignedAnswer(page.pk, "resolve")) + "/",
}
"""
TIMELINE = """
from incidents.models import TimelineEntry
entries = TimelineEntry.objects.filter(incident_id={pk}).order_by("pk")
answer = [entry.message for entry in entries]
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_press_on_the_page_of_a_link_answers(
    running_stack: Stack, chromium: Browser, theme: str
) -> None:
    mailed = running_stack.run(MAILED)
    visitor = visitor_of(running_stack, chromium, viewport=PHONE, color_scheme=theme)
    page: Page = visitor.page()

    page.goto(mailed["acknowledge"])
    expect(page.get_by_role("heading", name="Card payments fail in Vienna")).to_be_visible()
    before = running_stack.run(TIMELINE.format(pk=mailed["pk"]))
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").filter(has_text="Acknowledged.")).to_be_visible()
    page.goto(mailed["resolve"])
    page.get_by_role("button", name="Resolve").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Resolved.")).to_be_visible()
    visitor.close()

    assert before == []
    assert running_stack.run(TIMELINE.format(pk=mailed["pk"])) == [
        "Acknowledged by Alice Novak by e-mail link",
        "Resolved by Alice Novak by e-mail link",
    ]
