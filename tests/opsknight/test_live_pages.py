"""Open pages follow the stream: rows, lists, panels, and what happens when it breaks."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.opsknight.pages import row, shell
from tests.opsknight.site import Answer, Site

LIST = '<ol class="rows" id="list" data-live-list="incidents" {attributes}>{rows}</ol>'


def show(page: Page, site: Site, content: str, *, path: str = "/") -> None:
    site.pages[path] = Answer(shell(content))
    page.goto(path)
    expect(page.locator("html")).to_have_attribute("data-connection", "live")


def listing(*ids: int, attributes: str = "") -> str:
    return LIST.format(attributes=attributes, rows="".join(row(id) for id in ids))


def event(id: int, status: str = "acknowledged", version: int = 2) -> dict[str, object]:
    html = row(id, status=status, title=f"Incident {id} is {status}")
    return {"id": id, "status": status, "version": version, "row": html}


def test_page_says_that_it_is_live(page: Page, site: Site) -> None:
    show(page, site, "")

    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_row_is_replaced_where_it_stands_and_marked(page: Page, site: Site) -> None:
    show(page, site, listing(1, 2, 3))

    site.send("incident", event(2))

    expect(page.locator(".row").nth(1)).to_contain_text("Incident 2 is acknowledged")
    expect(page.locator(".row").nth(1)).to_have_class(re.compile("is-changed"))
    expect(page.locator(".row")).to_have_count(3)


def test_row_is_not_replaced_by_an_older_one(page: Page, site: Site) -> None:
    show(page, site, listing(1, 2))

    site.send("incident", event(1, version=7))
    site.send("incident", event(1, status="triggered", version=6))
    site.send("incident", event(2, version=2))

    expect(page.locator(".row").nth(1)).to_contain_text("Incident 2 is acknowledged")
    expect(page.locator(".row").nth(0)).to_contain_text("Incident 1 is acknowledged")


def test_focus_stays_in_a_row_that_is_replaced(page: Page, site: Site) -> None:
    show(page, site, listing(1, 2))
    page.locator(".row a").nth(1).focus()

    site.send("incident", event(2))

    expect(page.locator(".row a").nth(1)).to_contain_text("is acknowledged")
    expect(page.locator(".row a").nth(1)).to_be_focused()


def test_scripts_in_a_row_never_run(page: Page, site: Site) -> None:
    show(page, site, listing(1))
    html = row(1, title="safe").replace("</li>", "<script>window.ran = true</script></li>")

    site.send("incident", {"id": 1, "status": "triggered", "version": 2, "row": html})

    expect(page.locator(".row")).to_contain_text("safe")
    assert page.locator(".row script").count() == 0
    assert page.evaluate("window.ran") is None


def test_change_is_announced_politely(page: Page, site: Site) -> None:
    show(page, site, listing(1))

    site.send("incident", event(1))

    expect(page.locator("#announcements")).to_have_text("Incident 1 is acknowledged: acknowledged")


def test_new_incidents_are_offered_not_pushed(page: Page, site: Site) -> None:
    show(page, site, listing(1))

    for id in (2, 3, 3):
        site.send("incident", event(id, status="triggered"))

    expect(page.get_by_role("button", name="2 new — show")).to_be_visible()
    expect(page.locator(".row")).to_have_count(1)


def test_offer_fetches_the_list_again(page: Page, site: Site) -> None:
    show(page, site, listing(1))
    site.send("incident", event(2, status="triggered"))
    site.pages["/"] = Answer(shell(listing(2, 1)))

    page.get_by_role("button", name="1 new — show").click()

    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".live-news")).to_have_count(0)
    expect(page.locator(".row a").first).to_be_focused()


def test_list_offers_only_the_statuses_it_is_about(page: Page, site: Site) -> None:
    show(page, site, listing(1, attributes='data-live-statuses="triggered acknowledged"'))

    site.send("incident", event(2, status="resolved"))
    site.send("incident", event(3, status="triggered"))

    expect(page.get_by_role("button", name="1 new — show")).to_be_visible()


def test_dashboard_takes_new_rows_in_at_the_top(page: Page, site: Site) -> None:
    show(page, site, listing(1, 2, attributes='data-live-insert="top" data-live-max="2"'))

    site.send("incident", event(3, status="triggered"))

    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".row").first).to_contain_text("Incident 3")


def test_nothing_moves_under_the_pointer(page: Page, site: Site) -> None:
    show(page, site, listing(1, 2, attributes='data-live-insert="top"'))
    page.locator(".row").first.hover()

    site.send("incident", event(3, status="triggered"))

    expect(page.get_by_role("button", name="1 new — show")).to_be_visible()
    expect(page.locator(".row")).to_have_count(2)


PANEL = '<div hx-get="/panel/" hx-trigger="refresh" data-live-refresh="{topics}">old</div>'


@pytest.mark.parametrize(
    ("topics", "name", "data"),
    [
        ("incident:7", "incident", {"id": 7, "status": "triggered", "version": 1, "row": ""}),
        ("counters oncall", "counters", {}),
        ("counters oncall", "oncall", {}),
        ("notification", "notification", {"unread": 3}),
    ],
)
def test_panel_fetches_itself_when_its_topic_is_heard(
    page: Page, site: Site, topics: str, name: str, data: dict[str, object]
) -> None:
    site.pages["/panel/"] = Answer("new")
    show(page, site, PANEL.format(topics=topics))

    site.send(name, data)

    expect(page.get_by_text("new", exact=True)).to_be_visible()


def test_many_events_make_one_request(page: Page, site: Site) -> None:
    site.pages["/panel/"] = Answer("new")
    show(page, site, PANEL.format(topics="counters"))

    for _ in range(20):
        site.send("counters", {})

    expect(page.get_by_text("new", exact=True)).to_be_visible()
    assert site.requests["/panel/"] == 1


def test_what_is_being_written_is_not_replaced(page: Page, site: Site) -> None:
    site.pages["/panel/"] = Answer("new")
    panel = PANEL.format(topics="counters")
    written = panel.replace("old", '<input id="note">')
    show(page, site, f"{written}{panel}<button>away</button>")
    page.locator("#note").fill("half a sen")

    site.send("counters", {})

    expect(page.get_by_text("new", exact=True)).to_have_count(1)
    expect(page.locator("#note")).to_have_value("half a sen")
    page.get_by_role("button", name="away").focus()
    expect(page.get_by_text("new", exact=True)).to_have_count(2)


def test_unread_count_is_shown(page: Page, site: Site) -> None:
    show(page, site, '<span data-live-unread hidden id="unread">0</span>')

    site.send("notification", {"unread": 4})

    expect(page.locator("#unread")).to_have_text("4")
    expect(page.locator("#unread")).to_be_visible()


def test_page_catches_up_after_a_break(page: Page, site: Site) -> None:
    site.pages["/panel/"] = Answer("new")
    show(page, site, PANEL.format(topics="counters") + listing(1))
    site.pages["/"] = Answer(shell(listing(1, 2)))

    site.break_streams()

    expect(page.get_by_text("new", exact=True)).to_be_visible()
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator("html")).to_have_attribute("data-connection", "live")


def test_page_polls_where_the_stream_is_refused(page: Page, site: Site) -> None:
    site.stream_status = 503
    site.pages["/panel/"] = Answer("new")
    site.pages["/"] = Answer(shell(PANEL.format(topics="counters")))
    page.clock.install()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-connection", "polling")

    page.clock.fast_forward(11_000)

    expect(page.get_by_text("new", exact=True)).to_be_visible()
    expect(page.get_by_text("Updates every 10 s")).to_be_visible()


def test_page_tries_the_stream_again_after_a_refusal(page: Page, site: Site) -> None:
    site.stream_status = 503
    site.pages["/"] = Answer(shell(""))
    page.clock.install()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-connection", "polling")
    site.stream_status = 200

    page.clock.fast_forward(61_000)

    expect(page.locator("html")).to_have_attribute("data-connection", "live")


def test_silent_stream_is_opened_again(page: Page, site: Site) -> None:
    site.pages["/"] = Answer(shell(""))
    page.clock.install()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-connection", "live")

    page.clock.fast_forward(51_000)

    expect(page.locator("html")).to_have_attribute("data-connection", "live")
    assert site.requests["/api/realtime/stream"] == 2


def test_nonsense_on_the_stream_is_passed_over(page: Page, site: Site) -> None:
    show(page, site, listing(1))

    for stream in site.streams:
        stream.put("event: incident\ndata: {half\n\n")
    site.send("incident", event(1))

    expect(page.locator(".row")).to_contain_text("is acknowledged")


@pytest.mark.parametrize("name", ["stream-reset", "incidents"])
def test_page_fetches_itself_when_it_is_told_to(page: Page, site: Site, name: str) -> None:
    site.pages["/panel/"] = Answer("new")
    show(page, site, PANEL.format(topics="oncall") + listing(1))
    site.pages["/"] = Answer(shell(listing(1, 2)))

    site.send(name, {"spread_ms": 100})

    expect(page.get_by_text("new", exact=True)).to_be_visible()
    expect(page.locator(".row")).to_have_count(2)


def test_panel_fetches_itself_when_what_it_shows_ends(page: Page, site: Site) -> None:
    page.clock.install()
    ends_at = datetime.now(UTC) + timedelta(seconds=30)
    mark = f'<span hidden data-refresh-at="{ends_at.isoformat()}"></span>'
    site.pages["/panel/"] = Answer("new")
    show(page, site, PANEL.format(topics="oncall").replace("old", f"old{mark}"))
    page.clock.run_for(20_000)
    expect(page.get_by_text("old")).to_be_visible()

    page.clock.run_for(13_000)

    expect(page.get_by_text("new", exact=True)).to_be_visible()


def test_list_with_ticked_rows_is_not_fetched_again(page: Page, site: Site) -> None:
    site.pages["/panel/"] = Answer("new")
    rows = listing(1).replace("</li>", '<input type="checkbox" aria-label="Pick"></li>')
    show(page, site, PANEL.format(topics="oncall") + rows)
    page.get_by_label("Pick").check()
    page.get_by_label("Pick").blur()
    page.mouse.move(0, 0)
    site.pages["/"] = Answer(shell(listing(1, 2)))
    site.send("stream-reset", {"spread_ms": 0})
    expect(page.get_by_text("new", exact=True)).to_be_visible()
    expect(page.locator(".row")).to_have_count(1)

    page.get_by_label("Pick").uncheck()
    page.get_by_label("Pick").blur()
    page.mouse.move(0, 0)

    expect(page.locator(".row")).to_have_count(2)


def test_list_offers_only_rows_it_is_about(page: Page, site: Site) -> None:
    show(page, site, listing(1, attributes='data-live-where=\'{"service": ["3"]}\''))
    other = row(2).replace("<li", '<li data-service="4"', 1)
    ours = row(3).replace("<li", '<li data-service="3"', 1)

    site.send("incident", event(2) | {"row": other})
    site.send("incident", event(3) | {"row": ours})

    expect(page.get_by_role("button", name="1 new — show")).to_be_visible()


def test_row_that_no_longer_belongs_leaves_after_a_while(page: Page, site: Site) -> None:
    page.clock.install()
    attributes = 'data-live-leave data-live-statuses="triggered acknowledged"'
    show(page, site, listing(1, 2, attributes=attributes))
    site.send("incident", event(2, status="resolved"))
    expect(page.locator(".row").nth(1)).to_contain_text("is resolved")

    page.clock.fast_forward(11_000)

    expect(page.locator(".row")).to_have_count(1)


def test_stream_is_told_how_old_the_page_is(page: Page, site: Site) -> None:
    site.pages["/"] = Answer(shell(""))

    with page.expect_request("**/api/realtime/stream?*") as request:
        page.goto("/")

    assert re.search(r"\?age=\d+$", request.value.url)
