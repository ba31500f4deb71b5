"""Pages of this app."""

from django.urls import path

from escalations.web import panels
from escalations.web.announcements import announcement_patterns
from escalations.web.calendars import calendar_patterns
from escalations.web.feeds import feed_patterns
from escalations.web.layers import layer_patterns
from escalations.web.manual import manual_patterns
from escalations.web.my_shifts import my_patterns
from escalations.web.overrides import override_patterns
from escalations.web.policies import policy_patterns
from escalations.web.policy_edit import edit_policy_patterns
from escalations.web.reports import report_patterns
from escalations.web.schedule_edit import edit_patterns
from escalations.web.schedule_list import list_patterns
from escalations.web.schedules import schedule_patterns
from escalations.web.shift_notices import notice_patterns
from escalations.web.swaps import swap_patterns
from escalations.web.temporaries import temporary_patterns

app_name = "escalations"
urlpatterns = [
    *list_patterns,
    *edit_patterns,
    *schedule_patterns,
    *layer_patterns,
    *override_patterns,
    *temporary_patterns,
    *swap_patterns,
    *report_patterns,
    *my_patterns,
    *calendar_patterns,
    *feed_patterns,
    *announcement_patterns,
    *notice_patterns,
    *policy_patterns,
    *edit_policy_patterns,
    *manual_patterns,
    path("on-call/panel/", panels.on_call_panel, name="on_call_panel"),
    path("escalation-plans/<int:incident_id>/", panels.plan_panel, name="plan_panel"),
]
