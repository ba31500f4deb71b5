"""Amazon SNS: text messages to telephones.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import html
import re
from urllib.parse import urlencode
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.providers.api_errors import plain_reason, refusal, unclear_answer
from notifications.providers.aws import API_URL, FIELDS, call_amazon
from notifications.providers.base import Field, Provider, ProviderConfig, Sent
from notifications.providers.http import ApiAnswer

WHO = "Amazon SNS"
ACCOUNT_ERRORS = frozenset(
    {
        "AuthorizationError",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "UserError",
        "OptInRequired",
    }
)
# Whose number it is concerns only its owner; errors are shown to everybody on the incident.
_NUMBER = re.compile(r"\+?[0-9]{7,}")


class SnsProvider(Provider):
    """SMS without answers: SNS takes no replies, and reports deliveries to CloudWatch only."""

    kind = "sns"
    label = "Amazon SNS"
    channels = ("sms",)
    fields = (
        *FIELDS,
        Field(
            "sender_id",
            "Sender ID",
            is_required=False,
            help_text="Up to 11 letters and digits, shown as the sender where the country allows.",
        ),
        Field(
            "origination_number",
            "Origination number",
            is_required=False,
            help_text="One of your numbers in E.164; the United States demand one.",
        ),
        API_URL,
    )

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Publish it to the number, as transactional: delivered even at a higher price."""
        answer = call_amazon(
            "POST",
            "/",
            service="sns",
            endpoint="sns",
            config=config,
            who=WHO,
            content=urlencode(_form(message, config)).encode(),
            content_type="application/x-www-form-urlencoded; charset=utf-8",
        )
        _check(answer)
        number = _element(answer, "MessageId")
        if not number:
            raise unclear_answer(answer, who=WHO)
        return Sent(number, answer=str(answer.status))


def _form(message: Message, config: ProviderConfig) -> dict[str, str]:
    attributes = {"AWS.SNS.SMS.SMSType": "Transactional"}
    if config["sender_id"]:
        attributes["AWS.SNS.SMS.SenderID"] = config["sender_id"]
    if config["origination_number"]:
        attributes["AWS.MM.SMS.OriginationNumber"] = config["origination_number"]
    form = {
        "Action": "Publish",
        "Version": "2010-03-31",
        "PhoneNumber": message.address,
        "Message": message.data.get("one_way", message.text),  # nobody can answer it
    }
    for index, (name, value) in enumerate(attributes.items(), start=1):
        entry = f"MessageAttributes.entry.{index}"
        form |= {
            f"{entry}.Name": name,
            f"{entry}.Value.DataType": "String",
            f"{entry}.Value.StringValue": value,
        }
    return form


def _check(answer: ApiAnswer) -> None:
    """Raise DeliveryError for an error, also one that comes with the status 200."""
    code = _element(answer, "Code")
    if 200 <= answer.status < 300 and not code:
        return
    reason = plain_reason(_NUMBER.sub("…", _element(answer, "Message")))
    if answer.status < 300 or code in ACCOUNT_ERRORS:
        raise DeliveryError(f"{WHO} refuses us: {code}. {reason}".strip(), provider_is_down=True)
    is_opted_out = code.startswith("OptedOut") or "opted out" in reason.lower()
    if is_opted_out or (code.startswith("InvalidParameter") and "PhoneNumber" in reason):
        raise DeliveryError(
            f"{WHO} refuses the number: {reason}", permanent=True, breaks_address=True
        )
    raise refusal(answer, who=WHO, reason=f"{code}: {reason}" if code else reason)


def _element(answer: ApiAnswer, name: str) -> str:
    """The text of the first element of this name: SNS answers in flat XML."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", answer.body.decode(errors="replace"))
    return html.unescape(found[1]).strip() if found else ""
