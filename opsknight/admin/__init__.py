"""Django's admin for people and access, and the base of every other app's admin."""

from django.contrib import admin
from django.contrib.auth.models import Group

from opsknight.admin.access import ApiKeyAdmin, AuditEntryAdmin
from opsknight.admin.base import AuditedModelAdmin, ReadOnlyAdmin
from opsknight.admin.people import TeamAdmin, UserAdmin

# Roles decide who may do what; Django's groups would look as if they did.
admin.site.unregister(Group)

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "AuditedModelAdmin",
    "ReadOnlyAdmin",
    "TeamAdmin",
    "UserAdmin",
]
