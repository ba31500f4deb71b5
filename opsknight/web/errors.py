"""Error pages: JSON for the API, a page for people."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from opsknight.errors import error_body


def _answer(request: HttpRequest, status: int, code: str, message: str) -> HttpResponseBase:
    if request.path.startswith("/api/"):
        return JsonResponse(error_body(code, message), status=status)
    return render(request, f"{status}.html", {"message": message}, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """There is nothing here, or it is not for this person: the same answer."""
    return _answer(request, 404, "not_found", "There is nothing at this address.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """The person may see this but not do it."""
    text = str(exception) or "Your role does not allow this. Ask an administrator."
    return _answer(request, 403, "forbidden", text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """The form was too old, or came from another site."""
    text = "This form is too old or came from elsewhere. Go back, reload the page and try again."
    return _answer(request, 403, "csrf_failed", text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something broke here; said without templates' context, which may be what broke."""
    if request.path.startswith("/api/"):
        body = error_body("server_error", "Something broke on our side. It was logged; try again.")
        return JsonResponse(body, status=500)
    return render(None, "500.html", status=500)  # type: ignore[arg-type]
