"""A real SMTP server that keeps what it receives, and can hold a message back."""

import threading
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller

from tests.stack import free_port


class Mailbox:
    """Receives every message for everybody; thread-safe."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._changed = threading.Condition()
        self._gate: threading.Event | None = None
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by aiosmtpd with each message."""
        gate = self._gate
        if gate is not None:
            self._gate = None  # the next message goes through
            with self._changed:
                self._changed.notify_all()
            await server.loop.run_in_executor(None, gate.wait, 60)
            return "451 Try again"
        message = message_from_bytes(envelope.content, EmailMessage, policy=default)
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        return "250 OK"

    def hold_next(self) -> threading.Event:
        """The next message is not taken until the event is set, and then refused."""
        self._gate = threading.Event()
        return self._gate

    def wait_until_held(self, seconds: float) -> None:
        """Wait until a message stands at the gate."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._gate is None, seconds), "nothing was sent"

    def about(self, word: str) -> list[Message]:
        """The messages whose subject has the word."""
        return [m for m in self.messages if word in str(m["Subject"])]

    def wait_for(self, word: str, count: int, seconds: float) -> list[Message]:
        """Wait until so many messages with the word in their subject are here."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.about(word)) >= count, seconds)
        assert arrived, f"{len(self.about(word))} of {count} messages about {word} arrived"
        return self.about(word)
