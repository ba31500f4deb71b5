"""One's own notices: the bell on every page, and the page behind it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from incidents.selectors import visible_incidents
from incidents.web.answers import back_to, say, signed_in
from notifications.selectors import lost_methods_of, notices_of, unread_counts
from notifications.services.notices import read_all_notices, read_notice
from notifications.web.paging import stretch_of

PAGE_SIZE = 50


@never_cache
@login_required
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """A fragment of every page: how many notices are unread, and the way to them."""
    user = signed_in(request)
    context = {"unread": unread_counts([user.pk])[user.pk]}
    return render(request, "notifications/bell.html", context)


@login_required
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """The notices, newest first. Of an incident that is out of sight only the number is shown."""
    user = signed_in(request)
    page = stretch_of(notices_of(user), request.GET, PAGE_SIZE)
    ids = {notice.incident_id for notice in page.rows}
    context = {
        "page": page,
        "visible": set(visible_incidents(user).filter(pk__in=ids).values_list("pk", flat=True)),
        "unread": unread_counts([user.pk])[user.pk],
        "lost": lost_methods_of([user.pk]).get(user.pk, []),
    }
    return render(request, "notifications/notices.html", context)


@login_required
@require_POST
def read(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one notice as read and go on to what it is about, or where the form says."""
    notice = read_notice(user=signed_in(request), pk=pk, now=timezone.now())
    if notice.incident_id is not None:
        return back_to(request, reverse("incidents:detail", args=[notice.incident_id]))
    return back_to(request, notice.link or reverse("notifications:notices"))


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark every notice as read."""
    count = read_all_notices(user=signed_in(request), now=timezone.now())
    text = f"{count} notice{'s' if count > 1 else ''} marked as read." if count else "All was read."
    return say(request, redirect("notifications:notices"), text)
