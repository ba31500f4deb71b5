"""Resend: mail over its API, what became of it, and the events that it reports.

https://resend.com/docs/api-reference/emails/send-email
https://resend.com/docs/webhooks/event-types
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.channels.email import ascii_domain
from notifications.providers.api_errors import check_api_answer, plain_reason, unclear_answer
from notifications.providers.base import Field, Provider, ProviderConfig, Receipt, Sent
from notifications.providers.http import ApiAnswer, call

WHO = "Resend"
DEAD_TYPES = frozenset({"General", "NoEmail", "Suppressed", "OnAccountSuppressionList"})


class ResendProvider(Provider):
    """Repetitions under the same key are dropped for 24 hours."""

    kind = "resend"
    label = "Resend"
    channels = ("email",)
    reports_to = "/api/providers/resend/"
    fields = (
        Field("api_key", "API key", is_secret=True),
        Field(
            "webhook_secret",
            "Signing secret of the webhook",
            is_secret=True,
            is_required=False,
            help_text="Begins with whsec_. Without it Resend's reports of bounces are refused.",
        ),
        Field("api_url", "Address of the API", is_required=False, default="https://api.resend.com"),
    )

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Hand it over, under the key."""
        answer = call(
            "POST",
            f"{config['api_url'].rstrip('/')}/emails",
            who=WHO,
            headers=_authorization(config) | {"Idempotency-Key": str(idempotency_key)},
            json_body=_mail(message),
        )
        said = _object_of(answer)
        if answer.status == 409:
            return _repeated(answer, said)
        check_api_answer(answer, who=WHO, reason=str(said.get("message", "")))
        if said.get("error") or "statusCode" in said:
            raise DeliveryError(
                f"{WHO} refuses the mail: {plain_reason(said.get('message'))}",
                provider_is_down=True,
            )
        if not said.get("id"):
            raise unclear_answer(answer, who=WHO)
        return Sent(str(said["id"]), answer=str(answer.status))

    def ask(self, message_id: str, *, config: ProviderConfig, channel: str) -> Receipt | None:
        """What became of it, by its last event."""
        url = f"{config['api_url'].rstrip('/')}/emails/{message_id}"
        answer = call("GET", url, who=WHO, headers=_authorization(config))
        if answer.status == 404:
            return None
        said = _object_of(answer)
        check_api_answer(answer, who=WHO, reason=str(said.get("message", "")))
        return _receipt(message_id, str(said.get("last_event")), {})


def _authorization(config: ProviderConfig) -> dict[str, str]:
    return {"Authorization": f"Bearer {config['api_key']}"}


def _mail(message: Message) -> dict[str, Any]:
    return {
        "from": message.data["from"],
        "to": [ascii_domain(message.address)],
        "subject": message.subject,
        "text": message.text,
        "headers": dict(message.headers),
    } | ({"html": message.html} if message.html else {})


def _object_of(answer: ApiAnswer) -> dict[str, Any]:
    said = answer.json
    return said if isinstance(said, dict) else {}


def _repeated(answer: ApiAnswer, said: Mapping[str, Any]) -> Sent:
    """The key was used before: by a mail that was taken, or by one that is being taken now.

    A repetition differs from the first mail (it says that it is one), which Resend answers so.
    """
    if said.get("name") == "invalid_idempotent_request":
        return Sent(answer="Had been taken before.")
    raise DeliveryError(f"{WHO} is still at work on this mail.", may_have_arrived=True)


def read_event(event: Mapping[str, Any]) -> Receipt | None:
    """What an event of the webhook says; None for other news."""
    data = event.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("email_id"), str):
        return None
    kind = str(event.get("type")).removeprefix("email.")
    return _receipt(data["email_id"], kind, data)


def _receipt(message_id: str, kind: str, data: Mapping[str, Any]) -> Receipt | None:
    match kind:
        case "delivered" | "opened" | "clicked" | "complained":
            return Receipt(message_id, True)
        case "bounced":
            return _bounce(message_id, data.get("bounce"))
        case "suppressed":
            return Receipt(message_id, False, f"{WHO} does not write to this address.", True)
        case "failed" | "canceled":
            failed = data.get("failed")
            reason = failed.get("reason") if isinstance(failed, dict) else ""
            return Receipt(message_id, False, f"{WHO} did not send it: {plain_reason(reason)}")
        case "sent" | "queued" | "scheduled" | "delivery_delayed":
            return Receipt(message_id, None)
    return None


def _bounce(message_id: str, bounce: object) -> Receipt:
    said = bounce if isinstance(bounce, dict) else {}
    is_dead = said.get("type") == "Permanent" and said.get("subType") in DEAD_TYPES
    text = f"The mail came back: {plain_reason(said.get('message'))}".rstrip(": ")
    return Receipt(message_id, False, text, is_dead)
