"""Every error of the API in one shape: `{"error": {"code", "message", "fields"}}`."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from opsknight.errors import NotAuthenticated, OpsKnightError, error_body

logger = logging.getLogger(__name__)

BODY = "body"  # how an error of the body as a whole is named in `fields`
RETRY_SECONDS = 5
AUTHENTICATE = 'Bearer realm="OpsKnight API"'


class TooLarge(OpsKnightError):
    """The body is larger than the API takes."""

    code = "too_large"
    status = 413


class Unavailable(OpsKnightError):
    """The database does not answer."""

    code = "unavailable"
    status = 503


# Errors of DRF by their class: our code, and a text where DRF's own does not say what to do.
_TEXTS: dict[type[exceptions.APIException], tuple[str, str]] = {
    exceptions.ParseError: ("malformed", ""),
    exceptions.NotAuthenticated: (
        "not_authenticated",
        "Send an API key: the header Authorization: Bearer ok_….",
    ),
    exceptions.AuthenticationFailed: ("not_authenticated", ""),
    exceptions.PermissionDenied: ("forbidden", ""),
    exceptions.NotFound: ("not_found", "There is nothing at this address."),
    exceptions.NotAcceptable: (
        "not_acceptable",
        "The API answers application/json only: leave the Accept header out.",
    ),
    exceptions.UnsupportedMediaType: (
        "unsupported_media_type",
        "Send JSON with the header Content-Type: application/json.",
    ),
}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Translate what a view raised. None, for what nobody foresaw: Django logs it, answers 500."""
    match error:
        case OpsKnightError():
            return _of_ours(error)
        case exceptions.ValidationError():
            return refusal(error.status_code, "invalid", *_fields_of(error))
        case exceptions.MethodNotAllowed():
            allowed = ", ".join(context["view"].allowed_methods)
            return refusal(
                405, "method_not_allowed", f"Not possible at this address. Use {allowed}."
            )
        case exceptions.APIException():
            return _of_drf(error)
        case Http404():
            return _of_drf(exceptions.NotFound())
        case PermissionDenied():
            return _of_drf(exceptions.PermissionDenied())
        case RequestDataTooBig():
            return _of_ours(too_large())
        case UnreadablePostError():
            return refusal(400, "malformed", "The connection ended in the middle of the body.")
        case _:
            return _of_database(error)


def refusal(
    status: int,
    code: str,
    message: str,
    fields: dict[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A response in the one shape."""
    return Response(error_body(code, message, fields), status=status, headers=headers)


def too_large() -> TooLarge:
    """The error of a body over the limit, which it names."""
    kibibytes = settings.INTAKE_MAX_BODY_BYTES // 1024
    return TooLarge(f"The body is larger than the limit of {kibibytes} KiB. Send less at once.")


def _of_ours(error: OpsKnightError) -> Response:
    headers = {}
    if error.status >= 500:
        logger.error("%s: %s", error.code, error.message, exc_info=error)
    if error.status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if (seconds := getattr(error, "retry_after_seconds", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = AUTHENTICATE
    return refusal(error.status, error.code, error.message, error.fields, headers)


def _of_drf(error: exceptions.APIException) -> Response:
    code, text = _TEXTS.get(type(error), ("error", ""))
    headers = {}
    if error.status_code == 401:
        headers["WWW-Authenticate"] = getattr(error, "auth_header", AUTHENTICATE)
    detail = str(error.detail)
    if isinstance(error, exceptions.PermissionDenied) and detail.startswith("CSRF"):
        code = "csrf_failed"
        text = "Send the CSRF token of this session in the header X-CSRFToken, or use an API key."
    return refusal(error.status_code, code, text or detail, headers=headers)


def _of_database(error: Exception) -> Response | None:
    """What the database says no to, although services check before they write."""
    match error:
        case OperationalError() | InterfaceError():
            logger.error("The database does not answer: %s", error)
            return refusal(
                503,
                "unavailable",
                "The database does not answer. Nothing was changed; try again shortly.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        case IntegrityError():
            logger.warning("A constraint refused a write of the API.", exc_info=error)
            message = "Somebody changed the same thing at this moment. Look again and repeat."
            return refusal(409, "conflict", message)
        case DataError():
            logger.warning("The database refused a value of the API.", exc_info=error)
            return refusal(400, "invalid", "A value is too large or cannot be stored.")
        case _:
            return None


def _fields_of(error: exceptions.ValidationError) -> tuple[str, dict[str, list[str]]]:
    """The message, and the reasons by dotted name: `{"layers.0.members": ["…"]}`."""
    fields: dict[str, list[str]] = {}
    for name, reason in _flattened("", error.detail):
        fields.setdefault(name or BODY, []).append(reason)
    if len(fields) == 1:
        name, reasons = next(iter(fields.items()))
        return f"{name}: {reasons[0]}", fields
    return f"Check these: {', '.join(list(fields)[:10])}.", fields


def _flattened(path: str, detail: Any) -> Iterator[tuple[str, str]]:
    match detail:
        case dict():
            for key, inner in detail.items():
                name = path if key == "non_field_errors" else f"{path}.{key}".lstrip(".")
                yield from _flattened(name, inner)
        case list():
            for index, inner in enumerate(detail):
                is_nested = isinstance(inner, dict | list)
                yield from _flattened(f"{path}.{index}".lstrip(".") if is_nested else path, inner)
        case _:
            # A text may quote what was sent, and half a surrogate pair cannot be answered.
            yield path, str(detail).encode(errors="replace").decode()
