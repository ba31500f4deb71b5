"""The REST API's URL map."""

from django.urls.resolvers import URLPattern

urlpatterns: list[URLPattern] = []
