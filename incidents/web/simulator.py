"""The simulator: send what the vendor would send, the whole way, or only look what it would do."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from incidents import selectors
from incidents.delivery_search import read_delivery_id
from incidents.intake.keyring import owner_of
from incidents.intake.schemes import SCHEMES
from incidents.intake.signatures import signed_headers
from incidents.models import Delivery, Integration
from incidents.samples import Message, Values, fill, is_run, new_run, sample_of, samples_of
from incidents.services.deliveries import send_message, simulated_arrival, summary_of_test
from incidents.services.preview import foresee
from incidents.web.answers import is_htmx, signed_in
from incidents.web.delivery_views import is_hidden_from, results_of
from incidents.web.forms import text_area
from incidents.web.integration_page import shell_of
from opsknight.errors import NotFound, OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip

MAX_BODY = 1_000_000  # characters
MAX_HEADERS = 20_000
MAX_HEADER_LINES = 100
RAW_KINDS = frozenset({Integration.Kind.EMAIL})  # whose lines end in CRLF, as forms send them


class SimulatorForm(forms.Form):
    """A message to send: headers one on a line, the query as in an address, and the body."""

    headers = forms.CharField(
        required=False,
        max_length=MAX_HEADERS,
        widget=text_area(3, spellcheck="false", autocomplete="off", **{"class": "is-code"}),
        help_text="One on a line: <code>Name: value</code>. The signature is added when sending.",
    )
    query = forms.CharField(
        required=False,
        max_length=MAX_HEADERS,
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "is-code"}),
        help_text="What stands after “?” in the address, such as <code>a=1&amp;b=2</code>.",
    )
    body = forms.CharField(
        required=False,
        max_length=MAX_BODY,
        strip=False,
        widget=text_area(16, spellcheck="false", autocomplete="off", **{"class": "is-code"}),
    )

    def clean_headers(self) -> dict[str, str]:
        """Names and values; a line without a colon is named."""
        headers = {}
        lines = self.cleaned_data["headers"].splitlines()
        for line in lines[: MAX_HEADER_LINES + 1]:
            name, colon, value = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name.strip():
                raise forms.ValidationError(f"“{line[:60]}” is no header. Write “Name: value”.")
            headers[name.strip()] = value.strip()
        if len(lines) > MAX_HEADER_LINES:
            raise forms.ValidationError(f"Use at most {MAX_HEADER_LINES} headers.")
        return headers

    def clean_query(self) -> dict[str, str]:
        """The last value of each name, as at the door."""
        try:
            pairs = parse_qsl(self.cleaned_data["query"].lstrip("?"), max_num_fields=100)
        except ValueError:
            raise forms.ValidationError("Use at most 100 values.") from None
        return dict(pairs)

    def message_of(self, integration: Integration) -> Message:
        """What is sent."""
        body = self.cleaned_data["body"]
        if integration.kind not in RAW_KINDS:
            body = body.replace("\r\n", "\n")
        return Message(body, self.cleaned_data["headers"], self.cleaned_data["query"])


@dataclass(frozen=True)
class Choice:
    """What the address asks for: a sample of a run, or a recorded delivery."""

    sample: str
    run: str
    delivery: Delivery | None = None

    @property
    def query(self) -> str:
        """What the address has to say, so that the same is asked for once more."""
        if self.delivery is not None:
            return urlencode({"delivery": str(self.delivery.pk)})
        return urlencode({"sample": self.sample, "run": self.run})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def simulator(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose a sample, change it, send it or look what it would do."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    choice = _choice_of(request, integration, user)
    form = SimulatorForm(request.POST) if request.method == "POST" else None
    result: dict[str, Any] = {}
    if form is not None and form.is_valid():
        message = form.message_of(integration)
        if request.POST.get("do") == "send":
            result = _sent(request, integration, message, user)
        else:
            result = _previewed(integration, message)
    status = 422 if form is not None and not form.is_valid() else 200
    samples = samples_of(integration.kind)
    context = shell_of(integration, "simulator") | {
        "samples": samples,
        "choice": choice,
        "chosen": sample_of(integration.kind, choice.sample),
        "closing": next((sample for sample in samples if sample.effect == "closes"), None),
        "next_run": new_run(),
        "form": form or SimulatorForm(initial=_initial(integration, choice, user)),
        "result": result,
        "scheme": SCHEMES.get(integration.kind),
    }
    is_part = is_htmx(request) and request.method == "POST" and status != 422
    template = "incidents/simulator_result.html" if is_part else "incidents/simulator.html"
    return render(request, template, context, status=status)


def _choice_of(request: HttpRequest, integration: Integration, user: User) -> Choice:
    run = request.GET.get("run", "")
    recorded = read_delivery_id(request.GET.get("delivery", ""))
    delivery = None
    if recorded is not None:
        delivery = selectors.get_delivery_for(user, recorded)
        if delivery.integration_id != integration.pk or is_hidden_from(delivery, user):
            raise NotFound(f"There is no delivery {recorded} of this integration.")
    sample = sample_of(integration.kind, request.GET.get("sample", "")).name
    return Choice(sample, run if is_run(run) else new_run(), delivery)


def _initial(integration: Integration, choice: Choice, user: User) -> dict[str, str]:
    if choice.delivery is not None:
        # Its signature proves the body as it was; a new one is made when sending.
        scheme = SCHEMES.get(integration.kind)
        signature = scheme.header.lower() if scheme is not None else ""
        headers = {n: v for n, v in choice.delivery.headers.items() if n.lower() != signature}
        query = choice.delivery.query
        body = bytes(choice.delivery.body).decode("utf-8", "replace")
    else:
        values = Values(
            run=choice.run,
            now=timezone.now(),
            summary=summary_of_test(integration, user),
            key=integration.key,
        )
        message = fill(sample_of(integration.kind, choice.sample), values)
        headers, query, body = message.headers, message.query, message.body
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return {"headers": lines, "query": urlencode(query), "body": body}


def _previewed(integration: Integration, message: Message) -> dict[str, Any]:
    owner = owner_of(integration)
    signed = signed_headers(owner, message.body.encode())
    foreseen = foresee(simulated_arrival(owner, message, signed))
    return {"foreseen": foreseen, "signed": signed, "signature": foreseen.signature}


def _sent(
    request: HttpRequest, integration: Integration, message: Message, user: User
) -> dict[str, Any]:
    """What became of it; as at the door, a sender who is told to come back is told why."""
    # Before it is sent: afterwards, what it opens is open.
    previewed = _previewed(integration, message)
    try:
        sent = send_message(
            integration=integration, message=message, actor=user, ip=client_ip(request)
        )
    except OpsKnightError as error:
        return previewed | {"failure": error.message}
    stored = Delivery.objects.filter(pk=sent.reception.delivery_id).first()
    results = results_of(stored, user)[0] if stored is not None else []
    return previewed | {
        "reception": sent.reception,
        "delivery": stored,
        "results": results,
        "signature": stored.signature if stored is not None else "",
    }


simulator_patterns: list[URLPattern] = [
    path("integrations/<int:pk>/simulator/", simulator, name="simulator"),
]
