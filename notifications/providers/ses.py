"""Amazon SES: mail over its API, and the events that it publishes through SNS.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.channels.email import ascii_domain
from notifications.providers.api_errors import plain_reason, refusal, unclear_answer
from notifications.providers.aws import API_URL, FIELDS, call_amazon, error_name
from notifications.providers.base import Field, Provider, ProviderConfig, Receipt, Sent
from notifications.providers.http import ApiAnswer

WHO = "Amazon SES"
SEND = "/v2/email/outbound-emails"
# Status 400 or 404, and yet nothing is wrong with the mail: the account, or its settings.
ACCOUNT_ERRORS = frozenset(
    {
        "AccountSuspendedException",
        "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        "LimitExceededException",
        "NotFoundException",  # the configuration set
        "ThrottlingException",
        "TooManyRequestsException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
    }
)
DEAD_TYPES = frozenset({"General", "NoEmail", "Suppressed", "OnAccountSuppressionList"})


class SesProvider(Provider):
    """The mail is sent as it was rendered."""

    kind = "ses"
    label = "Amazon SES"
    channels = ("email",)
    reports_to = "/api/providers/ses/"
    fields = (
        *FIELDS,
        Field(
            "configuration_set",
            "Configuration set",
            is_required=False,
            help_text="That publishes deliveries and bounces to the topic.",
        ),
        Field(
            "topic_arn",
            "SNS topic of the events",
            is_required=False,
            help_text="Its ARN. Without it reports of bounces are refused.",
        ),
        API_URL,
    )

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Hand it over. SES drops no repetitions; the Message-ID lets mail programs do so."""
        content = json.dumps(_mail(message, config["configuration_set"])).encode()
        answer = _call("POST", SEND, config, content)
        _check(answer)
        said = answer.json if isinstance(answer.json, dict) else {}
        if error_name(answer):
            reason = plain_reason(said.get("message"))
            raise DeliveryError(f"{WHO} refuses the mail: {reason}", provider_is_down=True)
        if not said.get("MessageId"):
            raise unclear_answer(answer, who=WHO)
        return Sent(str(said["MessageId"]), answer=str(answer.status))

    def ask(self, message_id: str, *, config: ProviderConfig, channel: str) -> Receipt | None:
        """What became of it; answered where the Virtual Deliverability Manager is switched on."""
        answer = _call("GET", f"/v2/email/insights/{quote(message_id, safe='')}/", config)
        if answer.status >= 500 or answer.status == 429:
            _check(answer)
        said = answer.json if isinstance(answer.json, dict) else {}
        insights = said.get("Insights")
        if answer.status != 200 or not isinstance(insights, list):
            return None
        events = [event for insight in insights for event in insight.get("Events", ())]
        return _from_insights(message_id, events)


def _call(method: str, path: str, config: ProviderConfig, content: bytes = b"") -> ApiAnswer:
    return call_amazon(
        method, path, service="ses", endpoint="email", config=config, who=WHO, content=content
    )


def _mail(message: Message, configuration_set: str) -> dict[str, Any]:
    return {
        "FromEmailAddress": message.data["from"],
        "Destination": {"ToAddresses": [ascii_domain(message.address)]},
        "Content": {"Raw": {"Data": base64.b64encode(message.raw).decode()}},
    } | ({"ConfigurationSetName": configuration_set} if configuration_set else {})


def _check(answer: ApiAnswer) -> None:
    """Raise DeliveryError unless the status is 2xx."""
    if 200 <= answer.status < 300:
        return
    said = answer.json if isinstance(answer.json, dict) else {}
    name = error_name(answer)
    reason = plain_reason(said.get("message") or said.get("Message"))
    if name in ACCOUNT_ERRORS:
        raise DeliveryError(f"{WHO} refuses us: {name}. {reason}".strip(), provider_is_down=True)
    if name == "MessageRejected" and "not verified" in reason:
        # Our sender, or the reader of an account in the sandbox: another account may write to them.
        text = f"{WHO} refuses the mail: {reason}"
        raise DeliveryError(text, permanent=True, provider_is_down=True)
    raise refusal(answer, who=WHO, reason=f"{name}: {reason}" if name else reason)


def read_event(event: Mapping[str, Any]) -> Receipt | None:
    """What a message of the topic says, in either of SES's two formats; None for other news."""
    mail = event.get("mail")
    if not isinstance(mail, dict) or not isinstance(mail.get("messageId"), str):
        return None
    number = mail["messageId"]
    match event.get("eventType") or event.get("notificationType"):
        case "Delivery":
            return Receipt(number, True)
        case "Bounce":
            return _bounce(number, event.get("bounce"))
        case "Reject":
            return Receipt(number, False, f"{WHO} took it for harmful and did not send it.")
        case "Send" | "DeliveryDelay":
            return Receipt(number, None)
    return None


def _bounce(number: str, bounce: object) -> Receipt:
    said = bounce if isinstance(bounce, dict) else {}
    people = said.get("bouncedRecipients")
    first = people[0] if isinstance(people, list) and people else {}
    reason = first.get("diagnosticCode") if isinstance(first, dict) else ""
    kind, subtype = said.get("bounceType"), said.get("bounceSubType")
    text = f"The mail came back: {plain_reason(reason) or f'{kind}, {subtype}'}"
    return Receipt(number, False, text, kind == "Permanent" and subtype in DEAD_TYPES)


def _from_insights(number: str, events: list[dict[str, Any]]) -> Receipt | None:
    kinds = {event.get("Type"): event.get("Details") or {} for event in events}
    for kind in ("BOUNCE", "PERMANENT_BOUNCE", "TRANSIENT_BOUNCE", "UNDETERMINED_BOUNCE"):
        if kind in kinds:
            said = kinds[kind].get("Bounce") or {}
            text = f"The mail came back: {plain_reason(said.get('DiagnosticCode'))}".rstrip(": ")
            is_dead = kind == "PERMANENT_BOUNCE" or said.get("BounceType") == "PERMANENT"
            return Receipt(number, False, text, is_dead)
    if "REJECT" in kinds:
        return Receipt(number, False, f"{WHO} took it for harmful and did not send it.")
    return Receipt(number, True if "DELIVERY" in kinds else None)
