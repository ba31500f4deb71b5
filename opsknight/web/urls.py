"""Pages of this app."""

from django.urls import path
from django.urls.resolvers import URLPattern

from opsknight.web.styleguide import styleguide
from opsknight.web.theme import set_theme

app_name = "opsknight"

# Accounts: sign-in, set-up, profile.
account_patterns: list[URLPattern] = []

# The shell. The style guide answers 404 unless DEBUG is on.
shell_patterns: list[URLPattern] = [
    path("theme/", set_theme, name="theme"),
    path("styleguide/", styleguide, name="styleguide"),
]

urlpatterns = account_patterns + shell_patterns
