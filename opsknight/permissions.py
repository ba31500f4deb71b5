"""Who belongs where: the questions every access rule is made of."""

from django.db.models import QuerySet

from opsknight.errors import NotAllowed
from opsknight.models import TeamMember, User


def team_ids_of(user: User) -> set[int]:
    """The teams of a person; one query."""
    return set(TeamMember.objects.filter(user=user).values_list("team_id", flat=True))


def require_admin(user: User) -> None:
    """Raise NotAllowed unless the person is an administrator."""
    if not user.is_admin:
        raise NotAllowed("Only administrators may do this. Ask one of them.")


def require_responder(user: User) -> None:
    """Raise NotAllowed unless the person is a responder or an administrator."""
    if not user.is_responder:
        raise NotAllowed("Only responders may do this. Ask an administrator for the role.")


def visible_users(user: User) -> QuerySet[User]:
    """Everybody who is signed in may see who else works here."""
    return User.objects.all() if user.is_active else User.objects.none()
