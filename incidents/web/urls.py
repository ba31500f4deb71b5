"""Pages of this app."""

from django.urls.resolvers import URLPattern

app_name = "incidents"
urlpatterns: list[URLPattern] = []
