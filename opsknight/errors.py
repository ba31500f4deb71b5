"""The errors that services raise. Edges translate them once: API handler, form, toast."""


class OpsKnightError(Exception):
    """Something was asked for that cannot be done. `message` says what to do instead."""

    code = "error"
    status = 400

    def __init__(self, message: str, *, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}

    def as_body(self) -> dict[str, object]:
        """The one JSON shape of an error: `{"error": {"code", "message", "fields"}}`."""
        return error_body(self.code, self.message, self.fields)


class InvalidInput(OpsKnightError):
    """A field has a value that cannot be used; `fields` names it."""

    code = "invalid"
    status = 400


class NotAuthenticated(OpsKnightError):
    """No valid session or key came with the request."""

    code = "not_authenticated"
    status = 401


class NotAllowed(OpsKnightError):
    """The person may see the object but not do this to it."""

    code = "forbidden"
    status = 403


class NotFound(OpsKnightError):
    """There is no such object, or the person may not see it."""

    code = "not_found"
    status = 404


class Conflict(OpsKnightError):
    """The object is in a state that does not allow this any more."""

    code = "conflict"
    status = 409


def error_body(
    code: str, message: str, fields: dict[str, list[str]] | None = None
) -> dict[str, object]:
    """Build the JSON body of an error."""
    return {"error": {"code": code, "message": message, "fields": fields or {}}}
