"""Deliveries of an integration: list, search, one in detail, and once more."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_http_methods, require_safe

from incidents import selectors
from incidents.delivery_search import DeliverySearch, limited_time, narrowed_deliveries
from incidents.intake.keyring import owner_of
from incidents.models import Delivery, Integration
from incidents.services.deliveries import (
    MAX_REPLAYED,
    ReplayTally,
    arrival_again,
    replay_deliveries,
    replay_delivery,
)
from incidents.services.preview import foresee
from incidents.web.answers import say, signed_in
from incidents.web.delivery_views import (
    body_view,
    is_hidden_from,
    page_of_deliveries,
    results_of,
    rows_of,
)
from incidents.web.integration_page import shell_of
from opsknight.errors import NotFound
from opsknight.models import User
from opsknight.web import client_ip

Verdict = Delivery.Verdict


@login_required
@require_safe
def deliveries(request: HttpRequest, pk: int) -> HttpResponse:
    """What came for an integration, newest first."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    wanted = DeliverySearch.parse(request.GET)
    found = Delivery.objects.filter(integration=integration)
    with limited_time(wanted):
        page = page_of_deliveries(narrowed_deliveries(found, wanted, user), request.GET)
    context = shell_of(integration, "deliveries") | {
        "wanted": wanted,
        "rows": rows_of(page.deliveries, user),
        "verdicts": Verdict.choices,
        "newer": f"?{wanted.query(newer=page.newer)}" if page.newer else "",
        "older": f"?{wanted.query(older=page.older)}" if page.older else "",
        "replay_query": urlencode({"since": wanted.since_text, "until": wanted.until_text}),
    }
    return render(request, "incidents/deliveries.html", context)


@login_required
@require_safe
def delivery(request: HttpRequest, pk: int, delivery_id: UUID) -> HttpResponse:
    """One delivery: what came, what became of it, and what would become of it today."""
    user = signed_in(request)
    shown = _delivery_for(user, pk, delivery_id)
    results, unshown, is_hidden = results_of(shown, user)
    context: dict[str, Any] = shell_of(shown.integration, "deliveries") | {
        "delivery": shown,
        "pk_text": str(shown.pk),
        "is_hidden": is_hidden,
        "results": results,
        "unshown": unshown,
        "replays": _replays_of(shown)[:10],
        "original": Delivery.objects.filter(pk=shown.replay_of).only("pk", "received_at").first()
        if shown.replay_of
        else None,
    }
    if not is_hidden:
        context |= {"body": body_view(shown), "opens": _foreseen(shown).opens}
    return render(request, "incidents/delivery.html", context)


@login_required
@require_safe
def delivery_body(request: HttpRequest, pk: int, delivery_id: UUID) -> HttpResponse:
    """The body as it was stored, as a file."""
    user = signed_in(request)
    shown = _readable_delivery_for(user, pk, delivery_id)
    answer = HttpResponse(bytes(shown.body), content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="delivery-{shown.pk}.bin"'
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replay(request: HttpRequest, pk: int, delivery_id: UUID) -> HttpResponse:
    """Receive it once more; GET says what it would do and asks."""
    user = signed_in(request)
    shown = _readable_delivery_for(user, pk, delivery_id)
    if request.method != "POST":
        context = shell_of(shown.integration, "deliveries") | {
            "delivery": shown,
            "foreseen": _foreseen(shown),
        }
        return render(request, "incidents/delivery_replay.html", context)
    reception = replay_delivery(delivery=shown, actor=user, ip=client_ip(request))
    if reception.is_spooled:
        answer = redirect("incidents:deliveries", pk)
        return say(request, answer, "It waits on disk until the database is back.", level="warning")
    answer = redirect("incidents:delivery", pk, reception.delivery_id)
    word = Verdict(reception.verdict).label.lower()
    level = "success" if reception.verdict == Verdict.ACCEPTED else "warning"
    return say(request, answer, f"Replayed: {word}.", level=level)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replay_failed(request: HttpRequest, pk: int) -> HttpResponse:
    """Receive again what was not understood in a stretch of time; GET counts and asks."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    wanted = DeliverySearch.parse(request.POST if request.method == "POST" else request.GET)
    found = list(_failed(integration, wanted, user)[: MAX_REPLAYED + 1])
    if request.method != "POST":
        context = shell_of(integration, "deliveries") | {
            "count": min(len(found), MAX_REPLAYED),
            "has_more": len(found) > MAX_REPLAYED,
            "wanted": wanted,
            "maximum": MAX_REPLAYED,
        }
        return render(request, "incidents/deliveries_replay.html", context)
    tally = replay_deliveries(
        integration=integration,
        deliveries=found[:MAX_REPLAYED],
        actor=user,
        ip=client_ip(request),
    )
    address = reverse("incidents:deliveries", args=[pk])
    level = "success" if tally.error is None else "warning"
    return say(request, redirect(address), told(tally), level=level)


def told(tally: ReplayTally) -> str:
    """What became of many replays, in words."""
    parts = [f"{count} {Verdict(name).label.lower()}" for name, count in tally.verdicts.items()]
    text = f"Replayed {tally.count}" + (f": {', '.join(parts)}." if parts else ".")
    if tally.error is not None:
        text += f" {tally.left} are left: {tally.error.message}"
    return text


def _failed(integration: Integration, wanted: DeliverySearch, user: User) -> QuerySet[Delivery]:
    """What was not understood, oldest first, without replays and what a replay has mended."""
    mended = _mended(integration)
    narrow = DeliverySearch(verdict=Verdict.INVALID, since=wanted.since, until=wanted.until)
    found = Delivery.objects.filter(integration=integration, replay_of__isnull=True)
    return narrowed_deliveries(found, narrow, user).exclude(pk__in=mended).order_by("pk")


def _mended(integration: Integration) -> QuerySet[Delivery, Any]:
    good = Delivery.objects.filter(
        integration=integration, verdict__in=(Verdict.ACCEPTED, Verdict.IGNORED)
    )
    return good.filter(replay_of__isnull=False).values("replay_of")


def _delivery_for(user: User, pk: int, delivery_id: UUID) -> Delivery:
    shown = selectors.get_delivery_for(user, delivery_id)
    if shown.integration_id != pk:
        raise NotFound(f"There is no delivery {delivery_id} of this integration.")
    return shown


def _readable_delivery_for(user: User, pk: int, delivery_id: UUID) -> Delivery:
    """Replayed, what a private incident says would open a public one."""
    shown = _delivery_for(user, pk, delivery_id)
    if is_hidden_from(shown, user):
        raise NotFound("This delivery belongs to a private incident.")
    return shown


def _replays_of(shown: Delivery) -> QuerySet[Delivery]:
    found = Delivery.objects.filter(integration=shown.integration_id, replay_of=shown.pk)
    return found.filter(pk__gt=shown.pk).only("pk", "received_at", "verdict").order_by("-pk")


def _foreseen(shown: Delivery) -> Any:
    return foresee(arrival_again(shown, owner_of(shown.integration)))


delivery_patterns: list[URLPattern] = [
    path("integrations/<int:pk>/deliveries/", deliveries, name="deliveries"),
    path("integrations/<int:pk>/deliveries/replay/", replay_failed, name="deliveries_replay"),
    path("integrations/<int:pk>/deliveries/<uuid:delivery_id>/", delivery, name="delivery"),
    path(
        "integrations/<int:pk>/deliveries/<uuid:delivery_id>/body/",
        delivery_body,
        name="delivery_body",
    ),
    path(
        "integrations/<int:pk>/deliveries/<uuid:delivery_id>/replay/",
        replay,
        name="delivery_replay",
    ),
]
