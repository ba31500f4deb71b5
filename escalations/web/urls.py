"""Pages of this app."""

from django.urls.resolvers import URLPattern

app_name = "escalations"
urlpatterns: list[URLPattern] = []
