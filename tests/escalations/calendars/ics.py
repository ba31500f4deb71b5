"""Calendars for tests."""


def ics(*events: str) -> bytes:
    """A calendar with these events, each given by its lines."""
    parts = [
        f"BEGIN:VEVENT\r\nUID:event-{number}\r\n{text.strip()}\r\nEND:VEVENT\r\n".replace(
            "\n", "\r\n"
        )
        for number, text in enumerate(events)
    ]
    body = "".join(parts).replace("\r\r", "\r")
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n{body}END:VCALENDAR\r\n".encode()
