"""What people wrote back: a page of administrators, beside the log of messages."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents.web.answers import signed_in
from notifications.message_words import masked
from notifications.reply_log import page_of_replies, replies_for, shown_answer


@never_cache
@login_required
@require_safe
def replies(request: HttpRequest) -> HttpResponse:
    """The newest first; those that were not understood, or all (`?all=1`)."""
    found = replies_for(signed_in(request))
    shows_all = request.GET.get("all") == "1"
    if not shows_all:
        found = found.filter(was_understood=False)
    older = request.GET.get("older", "")
    rows, after = page_of_replies(found, older)
    kept = {"all": "1"} if shows_all else {}
    context = {
        "rows": [(row, masked(row.channel, row.address), shown_answer(row)) for row in rows],
        "shows_all": shows_all,
        "older": f"?{urlencode(kept | {'older': after})}" if after else "",
        "newest": f"?{urlencode(kept)}" if older else "",
    }
    return render(request, "notifications/replies.html", context)


reply_patterns: list[URLPattern] = [path("deliveries/replies/", replies, name="replies")]
