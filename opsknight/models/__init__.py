"""People, teams, keys, audit."""

from opsknight.models.access import ApiKey, LoginLockout, UserToken
from opsknight.models.audit import AuditEntry
from opsknight.models.people import Team, TeamMember, User
from opsknight.models.versions import VersionedModel

__all__ = [
    "ApiKey",
    "AuditEntry",
    "LoginLockout",
    "Team",
    "TeamMember",
    "User",
    "UserToken",
    "VersionedModel",
]
