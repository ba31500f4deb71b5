"""The stream."""

from django.urls.resolvers import URLPattern

app_name = "realtime"
urlpatterns: list[URLPattern] = []
