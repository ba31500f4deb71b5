"""Schedules as a list: those of a person first."""

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from escalations.models import LayerMember, Schedule
from escalations.selectors.schedules import visible_schedules
from opsknight.models import User


def listed_schedules(user: User, *, only_mine: bool = False, text: str = "") -> QuerySet[Schedule]:
    """Visible schedules with `is_mine`: in which the person takes turns, or of one of their teams.

    Theirs come first. `text` is looked for in names and teams.
    """
    takes_turns = LayerMember.objects.filter(layer__schedule=OuterRef("pk"), user=user)
    of_team = Q(team__in=user.teams.order_by().values("pk"))
    mine = ExpressionWrapper(Q(Exists(takes_turns)) | of_team, output_field=BooleanField())
    schedules = visible_schedules(user).annotate(is_mine=mine)
    if only_mine:
        schedules = schedules.filter(is_mine=True)
    if text:
        schedules = schedules.filter(Q(name__icontains=text) | Q(team__name__icontains=text))
    return schedules.order_by("-is_mine", "name", "pk")
