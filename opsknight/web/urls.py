"""Pages of this app."""

from django.urls import path
from django.urls.resolvers import URLPattern

from opsknight.web import links, login, people, profile
from opsknight.web.manifest import manifest
from opsknight.web.styleguide import styleguide
from opsknight.web.theme import set_theme

app_name = "opsknight"

account_patterns: list[URLPattern] = [
    path("login/", login.sign_in, name="login"),
    path("logout/", login.sign_out, name="logout"),
    path("setup/<str:token>/", links.set_up, name="setup"),
    path("invite/<str:token>/", links.accept_invite, name="accept_invite"),
    path("reset/<str:token>/", links.reset_password, name="reset_password"),
    path("profile/", profile.profile, name="profile"),
    path("profile/password/", profile.password, name="password"),
    path("profile/sessions/end/", profile.sign_out_everywhere, name="sign_out_everywhere"),
    path("profile/keys/", profile.keys, name="keys"),
    path("profile/keys/<int:pk>/revoke/", profile.revoke_key, name="revoke_key"),
    path("people/", people.people, name="people"),
    path("teams/", people.teams, name="teams"),
    path("teams/<int:pk>/", people.team, name="team"),
]

# The shell. The style guide answers 404 unless DEBUG is on.
shell_patterns: list[URLPattern] = [
    path("theme/", set_theme, name="theme"),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("styleguide/", styleguide, name="styleguide"),
]

urlpatterns = account_patterns + shell_patterns
