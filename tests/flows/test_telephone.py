"""A telephone at the end of a running stack: it is texted and called, and answers."""

from collections.abc import Iterator

import pytest

from bench.stand_ins.twilio import Call, Message
from tests.flows.conftest import Flow
from tests.processes import wait_until

PREPARE = """
from django.utils import timezone
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Integration, Service
from notifications.models import ContactMethod, NotificationRule
from opsknight.models import User
person = User.objects.create_user("dora@example.com", name="Dora", status="active")
for channel in ("sms", "voice"):
    method = ContactMethod.objects.create(
        user=person, channel=channel, address="+4915112345678", verified_at=timezone.now()
    )
    NotificationRule.objects.create(user=person, contact_method=method)
policy = EscalationPolicy.objects.create(name="Dora", repeat_times=0)
StepTarget.objects.create(step=PolicyStep.objects.create(policy=policy), user=person)
service = Service.objects.create(name="Telephones", escalation_policy=policy, storm_threshold=0)
answer = Integration.objects.create(service=service, name="Telephones", kind="events").key
"""


@pytest.fixture(scope="module", autouse=True)
def dora(flow: Flow) -> Iterator[None]:
    """Alerts of this module page Dora, by SMS and by telephone."""
    before = flow.keys["events"]
    flow.keys["events"] = flow.stack.run(PREPARE)
    yield
    flow.keys["events"] = before


def sms_about(flow: Flow, number: int) -> Message:
    """The SMS about an incident, once it is there."""

    def found() -> list[Message]:
        return [sms for sms in flow.twilio.messages if f"#{number} " in sms.body]

    wait_until(lambda: bool(found()), 30, f"an SMS about #{number}")
    return found()[0]


def call_about(flow: Flow, title: str) -> Call:
    """The call about an incident, once somebody can take it."""

    def found() -> list[Call]:
        return [call for call in flow.twilio.calls if title in call.form["Twiml"]]

    wait_until(lambda: bool(found()), 30, f"a call about {title}")
    return found()[0]


def wait_for_states(flow: Flow, number: int, states: dict[str, int]) -> None:
    wait_until(lambda: flow.states_of(number) == states, 30, f"#{number} has the pages {states}")


def test_an_sms_is_answered_and_reported(flow: Flow):
    number = flow.send("trigger", "texted", "Texted")["incident"]["id"]
    sms = sms_about(flow, number)
    call_about(flow, "Texted")
    wait_for_states(flow, number, {"sent": 2, "delivered": 1})

    flow.twilio.report(sms, "delivered")
    said = flow.twilio.reply(
        f"{flow.stack.base_url}/api/providers/twilio/messages/", sms.to, f"ack {number}"
    )

    assert said == [f"#{number} Texted: acknowledged."]
    flow.wait_for_status("texted", "acknowledged")
    wait_for_states(flow, number, {"sent": 1, "delivered": 2})


def test_a_key_in_a_call_resolves(flow: Flow):
    flow.send("trigger", "called", "Called")
    call = call_about(flow, "Called")

    flow.twilio.take_call(call)
    said = flow.twilio.press(call, "6")

    assert said == "Resolved. Goodbye."
    flow.wait_for_status("called", "resolved")


def test_a_forgery_is_refused_at_the_door(flow: Flow):
    flow.twilio.auth_token, before = "somebody else's", flow.twilio.auth_token
    url = f"{flow.stack.base_url}/api/providers/twilio/messages/"

    status, _ = flow.twilio.tell(url, {"AccountSid": flow.twilio.account_sid, "Body": "ack"})

    flow.twilio.auth_token = before
    assert status == 403
