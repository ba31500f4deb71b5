"""What a key may be used for. What its owner may do is asked by selectors and services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from opsknight.errors import NotAllowed
from opsknight.models import ApiKey, User

if TYPE_CHECKING:  # views import the default permissions and throttles
    from rest_framework.views import APIView


class MissingScope(NotAllowed):
    """The key is valid but was not made for this."""

    code = "missing_scope"


class ScopedPermission(BasePermission):
    """An active person, by session or by a key that has the scope of the view.

    Views name `read_scope` and `write_scope`. A session has every scope.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """False without a person (401); raises MissingScope for a key of another scope."""
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return False
        if isinstance(request.auth, ApiKey):
            require_scope(request.auth, scope_of(view, request.method or ""))
        return True


def scope_of(view: APIView, method: str) -> ApiKey.Scope:
    """The scope that a method of a view asks for."""
    name = "read_scope" if method in SAFE_METHODS else "write_scope"
    scope: ApiKey.Scope = getattr(view, name)
    return scope


def require_scope(key: ApiKey, scope: ApiKey.Scope) -> None:
    """Raise MissingScope, which names the scope, unless the key has it."""
    if scope not in key.scopes:
        raise MissingScope(f"This key lacks the scope {scope.value}. Make a key that has it.")
