"""Slack's Web API: a call, and what its errors mean.

https://docs.slack.dev/apis/web-api/ : an error comes as 200 with `{"ok": false, "error": "…"}`.
"""

from collections.abc import Mapping
from typing import Any

from notifications.channels.base import SEND_SECONDS, DeliveryError
from notifications.providers import http
from notifications.providers.answers import patience
from notifications.providers.api_errors import unclear_answer
from notifications.providers.base import ProviderConfig

# Ours is not to be used any more: every message by this account fails, another may do.
REVOKED = {
    "token_revoked": "The Slack workspace revoked the bot's token.",
    "token_expired": "The bot's token has expired.",
    "invalid_auth": "Slack does not know the bot's token.",
    "not_authed": "Slack does not know the bot's token.",
    "account_inactive": "The Slack workspace removed the bot.",
    "missing_scope": "The bot lacks a permission (scope) in Slack.",
    "no_permission": "The bot lacks a permission in Slack.",
    "org_login_required": "The Slack workspace is being moved.",
    "ekm_access_denied": "The Slack workspace suspended the bot's access.",
    "team_access_not_granted": "The bot may not use this Slack workspace.",
    "enterprise_is_restricted": "The bot may not use this Slack workspace.",
    "access_denied": "The bot may not use this Slack workspace.",
    "not_allowed_token_type": "This is no token of a bot.",
    "accesslimited": "The bot's token is limited to other addresses.",
}
AWAY = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
SLOW_DOWN = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# The address is dead: it is switched off until its owner looks at it.
DEAD = {
    "channel_not_found": "Slack knows no such channel, or the bot is not in it.",
    "is_archived": "The channel is archived.",
    "user_not_found": "Slack knows no such member.",
    "users_not_found": "Slack knows no such member.",
    "user_disabled": "The member's account in Slack was closed.",
    "cannot_dm_bot": "A bot cannot be written to.",
    "no_such_subteam": "Slack knows no such user group.",
    "subteam_not_found": "Slack knows no such user group.",
    "no_service": "Slack knows no such webhook: it was removed.",
    "channel_is_archived": "The channel is archived.",
}
# The message was refused, and the address may be fine: inviting the bot is all it takes.
REFUSED = {
    "not_in_channel": "The bot is not in the channel: invite it.",
    "restricted_action": "Only some people may post in the channel.",
    "message_not_found": "The message was deleted.",
    "cant_update_message": "The message is not the bot's.",
    "edit_window_closed": "The message is too old to be edited.",
}
# The message that is answered was deleted, or cannot be answered: it can be said beside it.
NO_THREAD = frozenset({"thread_not_found", "message_not_found", "cannot_reply_to_message"})
# Our layout does not please: the words alone will do.
NO_LAYOUT = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_attachments",
        "msg_blocks_too_long",
        "attachment_payload_limit_exceeded",
        "too_many_attachments",
    }
)


class SlackError(DeliveryError):
    """An error that Slack gave a name."""

    code = ""


def call_slack(
    config: ProviderConfig,
    method: str,
    arguments: Mapping[str, str],
    *,
    seconds: float = SEND_SECONDS,
) -> dict[str, Any]:
    """One call; returns the answer of a success.

    `arguments` go as a form, which every method takes; structures inside it are JSON texts. Raises
    DeliveryError.
    """
    answer = http.call(
        "POST",
        f"{config['api_url'].rstrip('/')}/{method}",
        who="Slack",
        headers={"Authorization": f"Bearer {config['bot_token']}"},
        data=dict(arguments),
        seconds=seconds,
    )
    if answer.status == 429:
        raise error_of("ratelimited", answer.retry_after)
    body = answer.json
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"Slack answered {answer.status}.", provider_is_down=True)
    if not isinstance(body, dict):
        raise unclear_answer(answer, who="Slack")
    if body.get("ok") is not True:
        raise error_of(str(body.get("error", "")), answer.retry_after)
    return body


def error_of(code: str, retry_after: str = "") -> SlackError:
    """What an error of Slack's means for a message."""
    error = _meaning(code, retry_after)
    error.code = code
    return error


def _meaning(code: str, retry_after: str) -> SlackError:
    if code in REVOKED:
        return SlackError(REVOKED[code], provider_is_down=True)
    if code in AWAY:
        return SlackError("Slack has a problem of its own.", provider_is_down=True)
    if code in SLOW_DOWN:
        return SlackError(
            "Slack asks for patience.", retry_after=patience(retry_after), provider_is_down=True
        )
    if code in DEAD:
        return SlackError(DEAD[code], permanent=True, breaks_address=True)
    known = "".join(c for c in code[:60] if c.isascii() and (c.isalnum() or c == "_"))
    return SlackError(
        REFUSED.get(code, f"Slack refused the message: {known or 'no reason given'}."),
        permanent=True,
    )
