"""Django's admin for people and access, and the base of every other app's admin."""

from opsknight.admin.base import AuditedModelAdmin, ReadOnlyAdmin

__all__ = ["AuditedModelAdmin", "ReadOnlyAdmin"]
