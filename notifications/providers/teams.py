"""Workflows of Microsoft Teams, and the connectors that they replace."""

import re

from notifications.channels.base import DeliveryError
from notifications.outgoing_http import Answer
from notifications.providers.answers import check_answer
from notifications.providers.chat_hooks import (
    UNKNOWN_HOOK,
    ChatHookProvider,
    check_hook,
    document_of,
)

# Connectors answer 200 to what they could not deliver, and say so in the text:
# https://github.com/MicrosoftDocs/msteams-docs/issues/1810
_FAILED = re.compile(r"delivery failed with error.*?(?:HTTP error (\d{3})|$)", re.DOTALL)
SWITCHED_OFF = "WorkflowTriggerIsNotEnabled"


class TeamsProvider(ChatHookProvider):
    """A workflow answers 202, a connector 200 and "1"."""

    kind = "teams"
    label = "Microsoft Teams"
    channels = ("teams",)

    def check(self, answer: Answer) -> str:
        """Teams gives no id. A success may be none: see the text of it."""
        text = answer.body.decode(errors="replace")
        failed = _FAILED.search(text)
        if failed is not None:
            patience = answer.headers.get("retry-after", "")
            check_answer(int(failed[1] or 503), patience, gone=UNKNOWN_HOOK)
        error = document_of(answer).get("error")
        if isinstance(error, dict) and error.get("code") == SWITCHED_OFF:
            raise DeliveryError(
                "The workflow is switched off in Teams.", permanent=True, breaks_address=True
            )
        check_hook(answer)
        if error:
            raise DeliveryError("Teams answered with an error.")
        return ""
