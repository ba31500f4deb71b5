"""The stream."""

from django.urls import path

from realtime import views

app_name = "realtime"
urlpatterns = [path("api/realtime/stream", views.stream, name="stream")]
