"""Pages for tests of channels, and the way from a page to a provider without the outbox."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from notifications.channels import CHANNELS
from notifications.channels.base import Notice, Page, PagedIncident, Place
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Sent
from tests.notifications.test_email import PAGE

CONFIG = ProviderConfig("1", "any", "Any", {})


def page_of(channel: str, address: str, **changes: Any) -> Page:
    """A page of the usual incident; `title`, `status`, … change the incident."""
    assert PAGE.incident is not None
    names = {field.name for field in fields(PagedIncident)}
    of_incident = {name: changes.pop(name) for name in names & changes.keys()}
    incident = replace(PAGE.incident, **of_incident)
    return replace(PAGE, channel=channel, address=address, **{"incident": incident} | changes)


def page_to_place(channel: str, address: str, **changes: Any) -> Page:
    """The same to a destination."""
    return page_of(channel, address, recipient=Place(5, "Checkout room"), **changes)


def notice_of(channel: str, address: str, notice: Notice, reason: str = "test") -> Page:
    """A message about no incident."""
    return replace(
        PAGE, channel=channel, address=address, incident=None, notice=notice, reason=reason
    )


def several(page: Page, count: int) -> list[Page]:
    """The page and others of the same service, as they are bundled."""
    assert page.incident is not None
    return [
        replace(page, notification_id=n, incident=replace(page.incident, id=n, title=f"Disk {n}"))
        for n in range(1, count + 1)
    ]


def carry(kind: str, *pages: Page, values: Mapping[str, str] | None = None) -> Sent:
    """Render and send; raises DeliveryError."""
    first = pages[0]
    return PROVIDERS[kind].send(
        CHANNELS[first.channel].render(pages),
        config=replace(CONFIG, kind=kind, values=values or {}),
        channel=first.channel,
        idempotency_key=first.idempotency_key,
    )
