"""Pages of this app."""

from django.urls import path

from escalations.web import panels, policies, schedules

app_name = "escalations"
urlpatterns = [
    path("schedules/", schedules.schedules, name="schedules"),
    path("schedules/<int:pk>/", schedules.schedule, name="schedule"),
    path(
        "schedules/<int:pk>/layers/<int:layer_id>/put-on-call/",
        schedules.put_on_call,
        name="put_on_call",
    ),
    path("policies/", policies.policies, name="policies"),
    path("policies/<int:pk>/", policies.policy, name="policy"),
    path("on-call/panel/", panels.on_call_panel, name="on_call_panel"),
    path("escalation-plans/<int:incident_id>/", panels.plan_panel, name="plan_panel"),
]
