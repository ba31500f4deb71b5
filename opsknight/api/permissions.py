"""Scopes."""

from rest_framework.permissions import IsAuthenticated


class ScopedPermission(IsAuthenticated):
    """Placeholder until the API slice lands."""
