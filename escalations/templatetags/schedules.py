"""What belongs to the pages of schedules. Usage: `{% load schedules %}`."""

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def hours(length: timedelta) -> str:
    """A length in hours: "162", "7.5"."""
    return f"{length / timedelta(hours=1):.1f}".removesuffix(".0")
