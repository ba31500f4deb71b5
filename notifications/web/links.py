"""The page behind a signed one-tap link. No session: the link is the permission.

Mail scanners open every link, so GET only shows a button; the press acts. The actions of a push
message POST at once. There is no CSRF token: whoever could forge the request would have to know
the link, and then needs no forgery.
"""

from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from incidents.models import Incident
from incidents.selectors import may_acknowledge
from notifications.services.answers import Answer, short_title
from notifications.services.link_answers import (
    AnswerLinkUnusable,
    LinkTarget,
    answer_link,
    find_link_target,
)
from opsknight.errors import OpsKnightError
from opsknight.ratelimit import limit_requests

# Of one link, however many hold it.
ANSWER_RATE = "30/m"


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show what the link would do; POST does it. JSON for whoever asks for it."""
    try:
        return _answer(request, token, timezone.now())
    except OpsKnightError as error:
        if _wants_json(request):
            return JsonResponse(error.as_body(), status=error.status)
        if isinstance(error, AnswerLinkUnusable):
            return _unusable(request, error)
        raise


def _answer(request: HttpRequest, token: str, now: datetime) -> HttpResponseBase:
    target = find_link_target(token=token, now=now)
    if request.method != "POST":
        return _page(request, target, None)
    limit_requests(request, group="answers", rate=ANSWER_RATE, key=str(target.notification_id))
    given = answer_link(target=target, now=now)
    if _wants_json(request):
        return JsonResponse({"text": _result(request, target, given), "is_done": given.is_done})
    return _page(request, target, given)


def _page(request: HttpRequest, target: LinkTarget, given: Answer | None) -> HttpResponse:
    """Nothing of the incident but its title: the link may have been forwarded."""
    context = {
        "title": short_title(target.incident.title),
        "incident_id": target.incident.pk,
        "action": target.action,
        "person": target.user,
        "is_to_do": given is None and _is_to_do(target),
        "result": _result(request, target, given) if given else _status(target.incident),
        "is_done": given is not None and given.is_done,
    }
    return _unlisted(render(request, "notifications/answer.html", context))


def _is_to_do(target: LinkTarget) -> bool:
    if target.action == "acknowledge":
        return may_acknowledge(target.user, target.incident)
    return target.incident.is_open


def _result(request: HttpRequest, target: LinkTarget, given: Answer) -> str:
    """What happened. Who was first is told only to the person whom the link was sent to."""
    if given.is_done or request.user.pk == target.user.pk:
        return f"{given.news[0].upper()}{given.news[1:]}."
    target.incident.refresh_from_db()
    return _status(target.incident)


def _status(incident: Incident) -> str:
    return f"It is {incident.get_status_display().lower()} already."


def _unusable(request: HttpRequest, error: AnswerLinkUnusable) -> HttpResponse:
    context = {"message": error.message}
    page = render(request, "notifications/answer_unusable.html", context, status=error.status)
    return _unlisted(page)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _unlisted(response: HttpResponse) -> HttpResponse:
    """No search engine keeps it, and no other site is told its address."""
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response


link_patterns: list[URLPattern] = [path("a/<str:token>/", answer, name="answer")]
