"""The page behind a signed one-tap link. No session: the link is the permission.

Mail scanners open every link, so GET only shows a button; the press acts. The actions of a push
message POST at once. There is no CSRF token: whoever could forge the request would have to know
the link, and then needs no forgery.
"""

from collections.abc import Sequence
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
        return _page(request, target, [])
    limit_requests(request, group="answers", rate=ANSWER_RATE, key=str(target.notification_id))
    given = answer_link(target=target, now=now)
    if _wants_json(request):
        is_done = any(answer.is_done for answer in given)
        return JsonResponse({"text": _result(request, target, given), "is_done": is_done})
    return _page(request, target, given)


def _page(request: HttpRequest, target: LinkTarget, given: list[Answer]) -> HttpResponse:
    """Nothing of the incidents but their titles: the link may have been forwarded."""
    titles = [short_title(incident.title) for incident in target.incidents]
    left = [incident for incident in target.incidents if _is_to_do(target, incident)]
    context = {
        "title": titles[0] if len(titles) == 1 else f"{len(titles)} incidents",
        "titles": titles if len(titles) > 1 else [],
        "incidents": target.incidents,
        "action": target.action,
        "person": target.user,
        "is_to_do": not given and bool(left),
        "result": _result(request, target, given) if given else _status(target.incidents),
        "is_done": any(answer.is_done for answer in given),
    }
    return _unlisted(render(request, "notifications/answer.html", context))


def _is_to_do(target: LinkTarget, incident: Incident) -> bool:
    if target.action == "acknowledge":
        return may_acknowledge(target.user, incident)
    return incident.is_open


def _result(request: HttpRequest, target: LinkTarget, given: list[Answer]) -> str:
    """What happened. Who was first is told only to the person whom the link was sent to."""
    if len(given) > 1:
        done = sum(answer.is_done for answer in given)
        rest = f" {len(given) - done} needed nothing any more." if done < len(given) else ""
        return f"{done} acknowledged.{rest}" if done else _status(target.incidents)
    if given[0].is_done or request.user.pk == target.user.pk:
        return f"{given[0].news[0].upper()}{given[0].news[1:]}."
    target.incidents[0].refresh_from_db()
    return _status(target.incidents)


def _status(incidents: Sequence[Incident]) -> str:
    if len(incidents) > 1:
        return "None of them needs this any more."
    return f"It is {incidents[0].get_status_display().lower()} already."


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
