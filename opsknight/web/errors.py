"""Errors as answers: a page for people, JSON for the API and for htmx (shown as a toast)."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from opsknight.errors import NotAuthenticated, OpsKnightError, error_body

# Error pages of their own; every other status shares one.
PAGES = {403: "403.html", 404: "404.html", 429: "429.html"}


def explain(request: HttpRequest, error: OpsKnightError) -> HttpResponseBase:
    """The answer to a request that a service refused."""
    if _wants_json(request):
        response: HttpResponseBase = JsonResponse(error.as_body(), status=error.status)
    elif isinstance(error, NotAuthenticated):
        return redirect_to_login(request.get_full_path())
    else:
        page = PAGES.get(error.status, "opsknight/problem.html")
        fields = [text for texts in error.fields.values() for text in texts]
        context = {"message": " ".join([error.message, *fields])}
        response = render(request, page, context, status=error.status)
    if (seconds := getattr(error, "retry_after_seconds", None)) is not None:
        response["Retry-After"] = str(seconds)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """The request is malformed or too large; Django has logged which."""
    text = "This request cannot be understood. Go back, reload the page and try again."
    return _answer(request, 400, "bad_request", text, "opsknight/problem.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """There is nothing here, or it is not for this person: the same answer."""
    return _answer(request, 404, "not_found", "There is nothing at this address.", "404.html")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """The person may see this but not do it."""
    text = str(exception) or "Your role does not allow this. Ask an administrator."
    return _answer(request, 403, "forbidden", text, "403.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """The form was too old, or came from another site."""
    text = "This form is too old or came from elsewhere. Go back, reload the page and try again."
    return _answer(request, 403, "csrf_failed", text, "403_csrf.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Something broke here; said without templates' context, which may be what broke."""
    if _wants_json(request):
        body = error_body("server_error", "Something broke on our side. It was logged; try again.")
        return JsonResponse(body, status=500)
    return render(None, "500.html", status=500)


def _answer(
    request: HttpRequest, status: int, code: str, message: str, page: str
) -> HttpResponseBase:
    if _wants_json(request):
        return JsonResponse(error_body(code, message), status=status)
    return render(request, page, {"message": message}, status=status)


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or request.headers.get("HX-Request") == "true"
