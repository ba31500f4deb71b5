from django.apps import AppConfig


class EscalationsConfig(AppConfig):
    name = "escalations"
    verbose_name = "On call and escalation"

    def ready(self) -> None:
        """Say what is lost when a person leaves, what pages a destination, who goes on when pages
        failed or somebody answers so, and how changes of schedules reach open pages."""
        # Needs the models, which are loaded only now.
        from escalations.services.answering import escalate_by_answer
        from escalations.services.departures import losses_without
        from escalations.services.destination_uses import uses_by_policies, uses_by_schedules
        from escalations.services.policy_losses import policy_losses_without
        from escalations.services.unreached import go_on_at_once
        from escalations.web.live import render_on_call
        from notifications import uses
        from notifications.services.answers import on_escalate
        from notifications.services.unreached import on_unreached
        from opsknight.departures import ask_on_departure
        from realtime import topics

        topics.register("oncall", render_on_call)
        ask_on_departure(losses_without)
        ask_on_departure(policy_losses_without)
        uses.register(uses_by_policies)
        uses.register(uses_by_schedules)
        on_unreached(go_on_at_once)
        on_escalate(escalate_by_answer)
