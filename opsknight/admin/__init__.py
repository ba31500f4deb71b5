"""Django's admin for people and access, and the base of every other app's admin."""

from opsknight.admin.access import ApiKeyAdmin, AuditEntryAdmin
from opsknight.admin.base import AuditedModelAdmin, ReadOnlyAdmin
from opsknight.admin.people import TeamAdmin, UserAdmin

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "AuditedModelAdmin",
    "ReadOnlyAdmin",
    "TeamAdmin",
    "UserAdmin",
]
