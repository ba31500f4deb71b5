"""Wiring: environment, settings, URLs, ASGI, Celery, embedded services."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
