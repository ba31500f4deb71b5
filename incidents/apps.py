from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = "Services and incidents"

    def ready(self) -> None:
        """Say how changes of incidents reach open pages."""
        # Here, not above: models cannot be imported before the apps are loaded.
        from incidents.web.live import render_incidents
        from realtime import topics

        topics.register("incident", render_incidents)
