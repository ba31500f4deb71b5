from django.apps import AppConfig


class EscalationsConfig(AppConfig):
    name = "escalations"
    verbose_name = "On call and escalation"

    def ready(self) -> None:
        """Say what schedules lose when a person leaves."""
        # Needs the models, which are loaded only now.
        from escalations.services.departures import losses_without
        from opsknight.departures import ask_on_departure

        ask_on_departure(losses_without)
