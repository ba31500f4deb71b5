"""What the components say, given what they are told."""

from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template
from django.utils import timezone

from opsknight.templatetags.ui import initials
from opsknight.web import moments

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def render(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=6, hours=23), "6 d ago"),
        (timedelta(days=7), "16 Nov"),  # from a week on the date says more
        (timedelta(days=400), "19 Oct 2025"),  # another year is named
        (-timedelta(minutes=12), "in 12 min"),
        (-timedelta(seconds=10), "just now"),
    ],
)
def test_times_are_written_relative(before: timedelta, text: str) -> None:
    assert moments.written(NOW - before, style="ago", now=NOW) == text


def test_exact_time_names_the_viewers_zone() -> None:
    with timezone.override("Europe/Vienna"):
        text = moments.exact(NOW)

    assert text == "23 Nov 2026, 13:00:00 (Europe/Vienna)"


def test_time_carries_its_exact_value_for_hover_and_focus() -> None:
    html = render("{% when at %}", at=NOW)

    assert 'datetime="2026-11-23T12:00:00+00:00"' in html
    assert 'title="23 Nov 2026, 12:00:00 (UTC)"' in html
    assert 'tabindex="0"' in html


def test_time_that_never_was_says_so() -> None:
    assert "never" in render("{% when at %}", at=None)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Alice Novak", "AN"),
        ("Carol", "C"),
        ("Dmitri de Vries", "DV"),
        ("", "?"),
        ("  ", "?"),
    ],
)
def test_initials_are_first_and_last(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_status_is_said_in_words_beside_its_icon() -> None:
    html = render("{% status_pill 'acknowledged' %}")

    assert "Acknowledged" in html
    assert "<svg" in html
    assert 'aria-hidden="true"' in html


def test_button_with_address_is_a_link() -> None:
    html = render("{% button 'Open' href='/incidents/' icon='siren' %}")

    assert html.startswith('<a class="button" href="/incidents/">')


def test_button_takes_htmx_attributes() -> None:
    html = render("{% button 'Go' hx_post='/go/' disabled=off hidden=on %}", off=False, on=True)

    assert 'hx-post="/go/"' in html
    assert " hidden" in html
    assert "disabled" not in html


def test_attributes_are_escaped() -> None:
    html = render("{% button 'Go' title=title %}", title='"><b>')

    assert "<b>" not in html


def test_text_of_components_is_escaped() -> None:
    sources = (
        "{% badge text %}{% avatar text %}{% person text text %}{% stat text 1 %}"
        "{% copy_button text %}{% code_block text text %}{% toast text %}{% button text %}"
        "{% empty_state text text %}{% card title=text %}{{ text }}{% endcard %}"
        "{% dialog id='d' title=text %}{{ text }}{% enddialog %}"
    )

    html = render(sources, text="<img src=x>")

    assert "<img" not in html


class DelayForm(forms.Form):
    delay = forms.IntegerField(help_text="In minutes.", min_value=0)


def test_field_ties_label_help_and_error_to_the_control() -> None:
    form = DelayForm({"delay": "soon"})

    html = render("{% field form.delay %}", form=form)

    assert '<label class="field__label" for="id_delay">' in html
    assert 'aria-describedby="id_delay_helptext id_delay_error"' in html
    assert 'id="id_delay_helptext"' in html
    assert 'id="id_delay_error"' in html
    assert 'aria-invalid="true"' in html


def test_error_summary_links_to_the_field() -> None:
    form = DelayForm({"delay": ""})

    html = render("{% form_errors form %}", form=form)

    assert 'href="#id_delay"' in html
    assert 'role="alert"' in html


def test_valid_form_has_no_error_summary() -> None:
    form = DelayForm({"delay": "5"})

    assert render("{% form_errors form %}", form=form).strip() == ""


def test_panel_of_an_app_that_is_not_there_is_left_out() -> None:
    assert render("{% panel 'nobody:nothing' %}").strip() == ""


def test_stat_is_coloured_only_when_there_is_something() -> None:
    assert "stat--triggered" in render("{% stat 'Triggered' 1 tone='triggered' %}")
    assert "stat--triggered" not in render("{% stat 'Triggered' 0 tone='triggered' %}")
