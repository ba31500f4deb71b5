"""Every token and every component in all its states; only where DEBUG is on."""

import re
from datetime import timedelta
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from opsknight.templatetags.ui import DELIVERIES, STATUSES, URGENCIES

TOKENS = Path(__file__).parent.parent / "static/opsknight/css/tokens.css"


class SampleForm(forms.Form):
    """Each kind of field, some of them wrong."""

    name = forms.CharField(help_text="As your team says it.", initial="Checkout API")
    delay = forms.IntegerField(
        label="Delay in minutes",
        min_value=0,
        error_messages={"min_value": "Use 0 to page at once, or a number of minutes above it."},
    )
    urgency = forms.ChoiceField(choices=[("high", "High"), ("low", "Low")])
    note = forms.CharField(widget=forms.Textarea, required=False, help_text="Markdown is kept.")
    is_private = forms.BooleanField(label="Only the team may see it", required=False)
    channels = forms.MultipleChoiceField(
        choices=[("email", "E-mail"), ("sms", "SMS"), ("push", "Push")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )


def styleguide(request: HttpRequest) -> HttpResponse:
    """The page on which components are made and looked at."""
    if not settings.DEBUG:
        raise Http404
    now = timezone.now()
    wrong = SampleForm({"name": "", "delay": "-5", "urgency": "high"})
    wrong.add_error(None, "There is a service with this name already. Choose another name.")
    if "message" in request.GET:
        messages.success(request, "Acknowledged. Escalation stopped.")
    context = {
        "colours": colour_tokens(),
        "sizes": size_tokens(),
        "statuses": list(STATUSES),
        "deliveries": list(DELIVERIES),
        "urgencies": list(URGENCIES),
        "themes": ["light", "dark"],
        "people": ["Alice Novak", "Bob Ray", "Carol", "Dmitri de Vries", "Eve Ó Dálaigh", "张伟"],
        "rows": sample_rows(),
        "form": SampleForm(),
        "wrong_form": wrong,
        "snippet": "curl -X POST https://opsknight.example/api/events \\\n"
        '  -H "Authorization: Token token=…" \\\n  -d \'{"event_action": "trigger"}\'',
        "now": now,
        "minutes_ago": now - timedelta(minutes=5),
        "hours_ago": now - timedelta(hours=7),
        "long_ago": now - timedelta(days=400),
        "soon": now + timedelta(minutes=12),
    }
    return render(request, "opsknight/styleguide.html", context)


def colour_tokens() -> list[str]:
    """Names of the tokens that are colours, in their order."""
    pattern = r"(--[\w-]+): (?:#|light-dark\()"
    return [name for name in re.findall(pattern, TOKENS.read_text()) if "shadow" not in name]


def size_tokens() -> list[str]:
    """Names of the type sizes, small to large."""
    return re.findall(r"--(text-(?:xs|sm|md|lg|xl|2xl)):", TOKENS.read_text())


def sample_rows() -> list[dict[str, object]]:
    """Incident rows: one for each status, long and short words."""
    now = timezone.now()
    samples = [
        ("triggered", "high", "Error rate above 5 % on checkout", "Checkout API", 3, ""),
        ("triggered", "low", "Certificate expires in 14 days", "Edge", 48, "Alice Novak"),
        (
            "acknowledged",
            "medium",
            "Replication lag of the orders database is above 30 seconds on two of three replicas",
            "Orders database (eu-central)",
            95,
            "Bob Ray",
        ),
        ("snoozed", "low", "Disk 80 % full", "Build farm", 1500, "Carol"),
        ("suppressed", "low", "Flapping probe", "Staging", 4000, ""),
        ("resolved", "high", "Payments time out", "Payments", 9000, "Eve Ó Dálaigh"),
    ]
    return [
        {
            "id": number,
            "status": status,
            "urgency": urgency,
            "title": title,
            "service": service,
            "created_at": now - timedelta(minutes=minutes),
            "who": who,
        }
        for number, (status, urgency, title, service, minutes, who) in enumerate(samples, start=101)
    ]
