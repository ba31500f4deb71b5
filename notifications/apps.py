from django.apps import AppConfig
from django.conf import settings


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        """Say how changes of notices reach open pages; refuse an EMAIL_URL that cannot be read."""
        # Here, not above: models cannot be imported before the apps are loaded.
        from notifications.providers.smtp_connections import parse_email_url
        from notifications.web.live import render_notices
        from realtime import topics

        topics.register("notification", render_notices)
        if settings.EMAIL_URL:
            parse_email_url(settings.EMAIL_URL)
