"""What must not stand in a log."""

import logging
import re

MASK = "•••"
# One-time links and the addresses of integrations carry their secret in the path, and Django logs
# the path of every request that it refuses.
_SECRETS = re.compile(
    r"(/(?:setup|invite|reset|calendars|a)/|/settings/slack/link/|/api/integrations/[^/\s]+/"
    r"|/api/heartbeats/|/api/providers/(?:push|twilio/calls)/)[^/\s]+"
)


class HideSecrets(logging.Filter):
    """Masks the secrets in paths that a message names; lets everything through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True, after the arguments of the message were masked."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _SECRETS.sub(rf"\1{MASK}", a) if isinstance(a, str) else a for a in record.args
            )
        return True
