"""What the shell's scripts do: answers, errors, dialogs, keys, theme, times, copying."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.opsknight.pages import plain, shell
from tests.opsknight.site import Answer, Site

PRESS = '{% button "Press" hx_post="/do/" hx_target="#out" %}<p id="out"></p>'
LOGIN_PATH = "/login/"


def show(page: Page, site: Site, content: str, *, path: str = "/") -> None:
    site.pages[path] = Answer(shell(content, path=path))
    page.goto(path)


def answer_json(status: int, message: str) -> Answer:
    body = json.dumps({"error": {"code": "conflict", "message": message, "fields": {}}})
    return Answer(body, status, {"Content-Type": "application/json"})


# --- Answers and errors --------------------------------------------------------------------------


def test_answer_may_bring_a_toast(page: Page, site: Site) -> None:
    trigger = json.dumps({"toast": {"level": "success", "text": "Acknowledged."}})
    site.pages["/do/"] = Answer("done", headers={"HX-Trigger": trigger})
    show(page, site, PRESS)

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#toasts")).to_contain_text("Acknowledged.")
    expect(page.locator("#out")).to_have_text("done")


def test_refusal_shows_the_message_of_the_error(page: Page, site: Site) -> None:
    site.pages["/do/"] = answer_json(409, "Alice was quicker. Reload the page.")
    show(page, site, PRESS)

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#toasts")).to_contain_text("Alice was quicker. Reload the page.")
    expect(page.locator("#out")).to_have_text("")


def test_error_page_is_not_swapped_in_but_its_message_is_shown(page: Page, site: Site) -> None:
    site.pages["/do/"] = Answer(plain("403.html"), 403)
    show(page, site, PRESS)

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#toasts")).to_contain_text("Your role does not allow this.")
    expect(page.locator("#out")).to_have_text("")


def test_broken_server_is_told_with_a_remedy(page: Page, site: Site) -> None:
    site.pages["/do/"] = Answer("oh no", 502)
    show(page, site, PRESS)

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#toasts")).to_contain_text("Try again")


def test_no_answer_is_told_with_a_remedy(page: Page, site: Site) -> None:
    show(page, site, PRESS)
    page.route("**/do/", lambda route: route.abort())

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#toasts")).to_contain_text("Check your connection")


def test_form_with_errors_comes_back_in_its_place(page: Page, site: Site) -> None:
    site.pages["/do/"] = Answer('<p tabindex="-1" data-autofocus>Name is missing</p>', 422)
    show(page, site, PRESS)

    page.get_by_role("button", name="Press").click()

    expect(page.locator("#out")).to_contain_text("Name is missing")
    expect(page.locator("[data-autofocus]")).to_be_focused()


def test_error_stays_until_dismissed(page: Page, site: Site) -> None:
    page.clock.install()
    site.pages["/do/"] = answer_json(409, "Too late.")
    show(page, site, PRESS)
    page.get_by_role("button", name="Press").click()
    expect(page.locator(".toast")).to_have_count(1)
    page.clock.fast_forward(60_000)
    expect(page.locator(".toast")).to_have_count(1)

    page.get_by_role("button", name="Dismiss").click()

    expect(page.locator(".toast")).to_have_count(0)


def test_other_toasts_leave_by_themselves(page: Page, site: Site) -> None:
    page.clock.install()
    trigger = json.dumps({"toast": {"level": "success", "text": "Done."}})
    site.pages["/do/"] = Answer("", headers={"HX-Trigger": trigger})
    show(page, site, PRESS)
    page.get_by_role("button", name="Press").click()
    expect(page.locator(".toast")).to_have_count(1)

    page.clock.fast_forward(7_000)

    expect(page.locator(".toast")).to_have_count(0)


def test_toast_can_carry_an_undo(page: Page, site: Site) -> None:
    toast = {"level": "success", "text": "Resolved.", "action": {"label": "Undo", "url": "/undo/"}}
    site.pages["/do/"] = Answer("", headers={"HX-Trigger": json.dumps({"toast": toast})})
    site.pages["/undo/"] = Answer("")
    show(page, site, PRESS)
    page.get_by_role("button", name="Press").click()

    with page.expect_request("**/undo/") as request:
        page.get_by_role("button", name="Undo").click()

    assert request.value.method == "POST"
    assert request.value.headers["x-csrftoken"]


def test_press_after_the_session_expired_leads_to_the_login(page: Page, site: Site) -> None:
    site.pages["/do/"] = Answer("", 302, {"Location": LOGIN_PATH})
    site.pages[LOGIN_PATH] = Answer("<h1>Sign in</h1>")
    show(page, site, PRESS, path="/incidents/")

    page.get_by_role("button", name="Press").click()

    page.wait_for_url(re.compile(r"/login/\?next=%2Fincidents%2F$"))


def test_refresh_after_the_session_expired_keeps_what_is_written(page: Page, site: Site) -> None:
    site.pages["/panel/"] = Answer("", 302, {"Location": LOGIN_PATH})
    site.pages[LOGIN_PATH] = Answer("<h1>Sign in</h1>")
    panel = '<div hx-get="/panel/" hx-trigger="refresh" data-live-refresh="counters">old</div>'
    show(page, site, f'{panel}<input id="note">')
    page.locator("#note").fill("half a sentence")

    expect(page.locator("html")).to_have_attribute("data-connection", "live")
    site.send("counters", {})

    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.locator("#note")).to_have_value("half a sentence")
    expect(page.get_by_text("old")).to_be_visible()


def test_panel_that_fails_offers_to_try_again(page: Page, site: Site) -> None:
    site.pages["/theme/"] = Answer("broken", 500)
    show(page, site, '{% panel "opsknight:theme" label="Theme" %}')
    expect(page.get_by_text("Could not be loaded.")).to_be_visible()
    site.pages["/theme/"] = Answer("<p>here it is</p>")

    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_text("here it is")).to_be_visible()


# --- Dialogs, keys, theme ------------------------------------------------------------------------

DIALOG = (
    '{% button "Resolve" opens="resolve" %}'
    '{% dialog id="resolve" title="Resolve incident" %}<form method="post" hx-post="/do/" '
    'hx-swap="none"><input name="note" aria-label="Note">{% button "Do it" %}</form>{% enddialog %}'
)


def test_dialog_takes_the_focus_and_gives_it_back(page: Page, site: Site) -> None:
    show(page, site, DIALOG)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_label("Note")).to_be_focused()

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Resolve")).to_be_focused()


def test_answer_may_close_the_dialog(page: Page, site: Site) -> None:
    site.pages["/do/"] = Answer("", headers={"HX-Trigger": json.dumps({"close-dialog": True})})
    show(page, site, DIALOG)
    page.get_by_role("button", name="Resolve").click()

    page.get_by_role("button", name="Do it").click()

    expect(page.get_by_role("dialog")).to_have_count(0)


def test_link_that_opens_a_dialog_stays_a_link_without_it(page: Page, site: Site) -> None:
    site.pages["/resolve/"] = Answer("<h1>A page of its own</h1>")
    show(page, site, '{% button "Resolve" href="/resolve/" opens="missing" %}')

    page.get_by_role("link", name="Resolve").click()

    expect(page.get_by_role("heading", name="A page of its own")).to_be_visible()


def test_keys_press_what_names_them(page: Page, site: Site) -> None:
    site.pages["/there/"] = Answer("<h1>There</h1>")
    show(page, site, '<a href="/there/" data-keys="g z" data-keys-label="There">There</a>')

    # One after the other in the browser: the second must come within a second of the first.
    page.evaluate(
        """for (const key of ["g", "z"])
             document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}))"""
    )

    expect(page.get_by_role("heading", name="There")).to_be_visible()


def test_keys_are_letters_while_typing(page: Page, site: Site) -> None:
    show(page, site, '<a href="/there/" data-keys="t" data-keys-label="There">x</a><input id="n">')
    page.locator("#n").focus()

    page.keyboard.type("tt")

    expect(page.locator("#n")).to_have_value("tt")
    expect(page).to_have_url(f"{site.url}/")


def test_question_mark_shows_all_keys_of_the_page(page: Page, site: Site) -> None:
    show(page, site, '<button data-keys="a" data-keys-label="Acknowledge">x</button>')

    page.keyboard.press("Shift+?")

    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    expect(page.get_by_role("row", name="a Acknowledge")).to_be_visible()


def test_shortcuts_can_be_switched_off(page: Page, site: Site) -> None:
    show(page, site, '<a href="/there/" data-keys="t" data-keys-label="There">x</a>')
    page.keyboard.press("?")
    page.get_by_label("Use these shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.reload()

    page.keyboard.press("t")

    expect(page).to_have_url(f"{site.url}/")


def test_theme_changes_without_a_reload_and_is_remembered(page: Page, site: Site) -> None:
    show(page, site, "")
    page.get_by_role("button", name="Your menu").click()

    page.get_by_role("button", name="Dark").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert {"name": "theme", "value": "dark"}.items() <= dict(page.context.cookies()[0]).items()


# --- Times, copying ------------------------------------------------------------------------------


def test_times_stay_true_while_the_page_is_open(page: Page, site: Site) -> None:
    page.clock.install(time="2026-11-23T12:00:00Z")
    time = '<time datetime="2026-11-23T11:58:30Z" data-written="ago" title="">1 min ago</time>'
    show(page, site, time)

    page.clock.fast_forward(61_000)

    expect(page.get_by_text("2 min ago")).to_be_visible()


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("ago", "19 Oct 2025"),
        ("age", "19 Oct 2025"),
        ("exact", "19 Oct 2025, 14:00"),
    ],
)
def test_times_are_written_as_the_server_writes_them(
    page: Page, site: Site, written: str, text: str
) -> None:
    page.clock.install(time="2026-11-23T12:00:00Z")
    time = f'<time datetime="2025-10-19T12:00:00Z" data-written="{written}" title="">?</time>'
    show(page, site, time)

    page.clock.fast_forward(31_000)

    expect(page.get_by_text(text, exact=True)).to_have_attribute(
        "title", "19 Oct 2025, 14:00:00 (Europe/Vienna)"
    )


def test_copy_button_copies(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, site, '{% copy_button "0f3c9a" "Copy the key" %}')

    page.get_by_role("button", name="Copy the key").click()

    expect(page.locator(".is-copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "0f3c9a"
