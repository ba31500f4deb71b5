"""What a new installation still needs before an alert can reach a person."""

from dataclasses import dataclass

from django.apps import apps
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from incidents.models import Alert, Integration, Service
from opsknight.models import User
from opsknight.templatetags.ui import optional_url


@dataclass(frozen=True)
class FirstStep:
    """One thing to do, and where; `ask` says whom when it is not this person's to do."""

    title: str
    text: str
    url: str
    is_done: bool
    ask: str  # empty: this person may do it


def first_steps(user: User) -> list[FirstStep]:
    """The steps in order; an empty list once alerts can come in and somebody is paged for them.

    At most six small queries, one when all is done.
    """
    if Alert.objects.filter(service__escalation_policy__isnull=False).exists():
        return []
    # The models of a higher layer, by name: nothing is imported from there.
    schedules = apps.get_model("escalations", "Schedule")._default_manager
    policies = apps.get_model("escalations", "EscalationPolicy")._default_manager
    has_policy = policies.filter(steps__targets__isnull=False).exists()
    linked = Service.objects.filter(escalation_policy__isnull=False)
    has_service = linked.exists()
    has_integration = Integration.objects.filter(enabled=True).exists()
    service = Service.objects.order_by("pk").values_list("pk", flat=True).first()
    service_url = reverse("incidents:service", args=[service]) if service else ""
    return [
        _responder_step(
            user,
            "Put somebody on call",
            "A schedule says who is on call when. A policy may also name people directly.",
            optional_url("escalations:schedule_new"),
            is_done=schedules.exists() or has_policy,
        ),
        _admin_step(
            user,
            "Say who is paged in which order",
            "An escalation policy pages its steps one after the other until somebody acknowledges.",
            "escalations:policy_new",
            is_done=has_policy,
        ),
        _responder_step(
            user,
            "Create a service with that policy",
            "A service is what can break. Its policy says who hears of it.",
            reverse("incidents:service_edit", args=[service])
            if service and not has_service
            else reverse("incidents:service_new"),
            is_done=has_service,
        ),
        _responder_step(
            user,
            "Connect a monitoring system",
            "An integration gives you the address and key to paste into it.",
            service_url or reverse("incidents:services"),
            is_done=has_integration,
        ),
        _responder_step(
            user,
            "Send a test alert",
            "It takes the way of a real one: an incident opens and somebody is paged.",
            service_url or reverse("incidents:services"),
            is_done=False,
        ),
    ]


def _admin_step(user: User, title: str, text: str, url_name: str, *, is_done: bool) -> FirstStep:
    try:
        url = reverse(url_name) if user.is_admin else ""
    except NoReverseMatch:
        url = ""
    ask = "" if user.is_admin or is_done else f"Ask {_names(Q(role=User.Role.ADMIN))}."
    return FirstStep(title, text, url, is_done, ask)


def _responder_step(user: User, title: str, text: str, url: str, *, is_done: bool) -> FirstStep:
    responders = Q(role__in=[User.Role.RESPONDER, User.Role.ADMIN])
    ask = "" if user.is_responder or is_done else f"Ask {_names(responders)}."
    return FirstStep(title, text, url if user.is_responder else "", is_done, ask)


def _names(who: Q) -> str:
    people = User.objects.filter(who, status=User.Status.ACTIVE)
    return " or ".join(str(person) for person in people[:2]) or "an administrator"
