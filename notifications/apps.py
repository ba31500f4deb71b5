from django.apps import AppConfig
from django.conf import settings


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        """Say how changes of notices reach open pages, and what ends with a person who leaves;
        refuse an EMAIL_URL that cannot be read."""
        # Here, not above: models cannot be imported before the apps are loaded.
        from notifications.providers.smtp_connections import parse_email_url
        from notifications.services.settling import cancel_pages_of
        from notifications.web.live import render_notices
        from opsknight.departures import on_departure
        from realtime import topics

        topics.register("notification", render_notices)
        on_departure(cancel_pages_of)
        if settings.EMAIL_URL:
            parse_email_url(settings.EMAIL_URL)
