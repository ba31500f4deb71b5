"""Machine intake by e-mail: an SMTP server that knows the addresses of integrations, nothing else.

`<key>@…` and `<key>+<dedup>@…`, at any domain: the key is what counts. It says 250 only after
COMMIT, or when the mail is on disk; until then the sender keeps it. It relays nothing, asks for no
login and does no TLS: where mail comes from outside, a mail server stands in front of it
(docs/how-to/e-mail.md).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import Error

from incidents.intake.arrivals import Arrival
from incidents.intake.key_owner import KeyOwner
from incidents.intake.keyring import Keyring
from incidents.intake.reception import Reception, receive
from incidents.integrations.email_message import key_of
from incidents.integrations.email_parts import clean
from incidents.models import Delivery, Integration
from opsknight.errors import OpsKnightError

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 100
MAX_OF_ADDRESS: Final = 50  # of them; a mail server in front has about 20
MAX_RECIPIENTS: Final = 100  # the least that RFC 5321 allows
MAX_LINE_BYTES: Final = 128 * 1024  # RFC 5321 says 1000; many programs write HTML in one line
COMMAND_SECONDS: Final = 120.0  # that a sender has for its next command, or for a whole mail
SESSION_SECONDS: Final = 900.0
# Commands in one session; "*" is each of the others.
COMMANDS: Final = {"MAIL": 500, "RCPT": 5_000, "DATA": 500, "RSET": 500, "NOOP": 500, "*": 20}
# Who goes on sending after this many times the limit of a mail gets no answer any more.
PATIENCE: Final = 32

UNKNOWN: Final = "550 5.1.1 There is no such address. Copy it from the integration's page."
TOO_MANY_RECIPIENTS: Final = "452 4.5.3 Too many recipients. Send the mail to the others again."
TRY_AGAIN: Final = "451 4.3.0 The mail was not kept. Send it again later."
TAKEN: Final = "250 2.0.0 Taken."
NOT_UNDERSTOOD: Final = "554 5.6.0 The mail could not be taken as an alert."


class MailEnvelope(Envelope):
    """An envelope that knows whose its recipients are."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: list[tuple[str, KeyOwner]] = []


class MailDoor:
    """Answers the commands that need an answer of ours; one for all connections."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.connections: set[MailConnection] = set()

    def connect(self) -> "MailConnection":
        """A protocol for the next connection."""
        return MailConnection(self)

    def is_full(self, address: str) -> bool:
        """Whether there is no room for one more connection from that address."""
        others = sum(connection.address == address for connection in self.connections)
        return len(self.connections) >= MAX_CONNECTIONS or others >= MAX_OF_ADDRESS

    def close_idle(self) -> None:
        """Hang up on everybody who is not sending a mail at this moment."""
        for connection in list(self.connections):
            if not connection.is_at_work:
                connection.close()

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: MailEnvelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Take a recipient whose key is right; the same answer for whatever else it may be."""
        if len(envelope.owners) >= MAX_RECIPIENTS:
            return TOO_MANY_RECIPIENTS
        try:
            owner = await self._keyring.find(key_of(address))
        except (Error, TimeoutError) as error:
            logger.error("Cannot look up an address: %s", error)
            return TRY_AGAIN
        if owner is None or owner.kind != Integration.Kind.EMAIL or not owner.enabled:
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        envelope.owners.append((clean(address), owner))
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: MailEnvelope) -> str:
        """Keep the mail for each of its recipients, then take it over from the sender."""
        sender = clean(str(envelope.mail_from))
        arrivals = [
            Arrival(
                owner=owner,
                kind=Integration.Kind.EMAIL,
                headers={"x-envelope-from": sender, "x-envelope-to": address},
                body=envelope.original_content or b"",
                via=Delivery.Via.EMAIL,
            )
            for address, owner in envelope.owners
        ]
        results = await asyncio.gather(*map(receive, arrivals), return_exceptions=True)
        return answer_for(results)

    async def handle_exception(self, error: Exception) -> str:
        """Our mistake: the sender keeps its mail."""
        logger.error("A mail failed.", exc_info=error)
        return TRY_AGAIN


def answer_for(results: Sequence[Reception | BaseException]) -> str:
    """One answer for all recipients, as SMTP has it.

    Whatever is not kept must come again; those who have it already take it as one more alert of the
    same incident. What nobody understood is refused, so that its sender hears of it.
    """
    errors: list[OpsKnightError] = []
    for result in results:
        if isinstance(result, OpsKnightError):
            logger.warning("A mail was not kept: %s", result.message)
            return TRY_AGAIN
        if isinstance(result, BaseException):
            logger.error("A mail failed.", exc_info=result)
            return TRY_AGAIN
        if result.error is not None:
            errors.append(result.error)
    if any(error.status in (429, 503) for error in errors):
        return TRY_AGAIN
    if len(errors) < len(results):
        return TAKEN
    if all(error.status == 403 for error in errors):  # disabled or rotated at this moment
        return UNKNOWN
    return NOT_UNDERSTOOD


class MailConnection(SMTP):
    """One connection, with limits on what a stranger may cost us."""

    line_length_limit = MAX_LINE_BYTES

    def __init__(self, door: MailDoor) -> None:
        super().__init__(
            door,
            data_size_limit=settings.INTAKE_MAX_BODY_BYTES,
            enable_SMTPUTF8=True,
            hostname=settings.MAIL_DOMAIN,
            ident="OpsKnight",
            timeout=COMMAND_SECONDS,
            command_call_limit=dict(COMMANDS),
            loop=asyncio.get_running_loop(),
        )
        self._door = door
        self._is_refused = False
        self.address = ""
        self._end: asyncio.TimerHandle | None = None
        self._taken_bytes = 0  # since the last command
        self.is_at_work = False  # a mail is on its way in

    def _create_envelope(self) -> Envelope:
        return MailEnvelope()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless too many are here."""
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        if self._door.is_full(self.address):
            self._is_refused = True
            assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the type checker
            transport.write(b"421 4.3.2 Too many connections. Come back later.\r\n")
            transport.close()
            return
        self._door.connections.add(self)
        self._end = self.loop.call_later(SESSION_SECONDS, self.close)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End; a mail that is with the committer is kept all the same."""
        if self._is_refused:
            return
        self._door.connections.discard(self)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Read, but not for ever: an endless line would be kept in memory."""
        if self._is_refused:
            return
        self._taken_bytes += len(data)
        if self._taken_bytes > PATIENCE * settings.INTAKE_MAX_BODY_BYTES:
            self.close()
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The sender has no more to say."""
        return False if self._is_refused else super().eof_received()

    async def smtp_DATA(self, arg: Any) -> None:
        """Take one mail."""
        self.is_at_work, self._taken_bytes = True, 0
        try:
            await super().smtp_DATA(arg)
        finally:
            self.is_at_work, self._taken_bytes = False, 0

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.close()
