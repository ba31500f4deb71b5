"""Who may do what: every endpoint, every member of the cast, the expected status.

Columns: eve (user, outsider), carol (user, member of the team), bob (responder), alice
(administrator). Paths name objects of `World`.
"""

from dataclasses import dataclass
from typing import Any

EVERYBODY = (200, 200, 200, 200)
TEAM_SEES = (404, 200, 200, 200)  # public, of the team's service
TEAM_DELETES = (404, 204, 204, 204)
PRIVATE = (404, 200, 404, 404)  # of the team only, whatever the role
SEEN_NOT_DONE = (403, 403, 200, 200)  # of a service without team: seen by all


@dataclass(frozen=True)
class Endpoint:
    """One row of the table."""

    method: str
    path: str  # with {names} of World
    scope: str
    statuses: tuple[int, int, int, int]
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _read(scope: str, path: str, statuses: tuple[int, int, int, int] = EVERYBODY) -> Endpoint:
    return Endpoint("GET", path, f"{scope}:read", statuses)


def _write(
    scope: str, method: str, path: str, statuses: tuple[int, int, int, int], body: Any = None
) -> Endpoint:
    return Endpoint(method, path, f"{scope}:write", statuses, body)


STEPS = [{"targets": [{"type": "user", "id": "{carol}"}]}]
LAYERS = [
    {
        "name": "Days",
        "rotation": "daily",
        "starts_at": "2026-01-01T08:00:00Z",
        "members": ["{carol}"],
    }
]
SERVICES = [
    _read("services", "services"),
    _read("services", "services/{service}"),
    _write("services", "POST", "services", (403, 403, 201, 201), {"name": "New"}),
    _write("services", "PATCH", "services/{service}", (403, 200, 200, 200), {"name": "New"}),
    _write("services", "PATCH", "services/{teamless}", SEEN_NOT_DONE, {"name": "New"}),
    _write("services", "DELETE", "services/{idle}", (403, 403, 403, 204)),
    _write("services", "DELETE", "services/{service}", (403, 403, 403, 409)),
]
INTEGRATIONS = [
    _read("services", "integrations"),
    _read("services", "integrations/{integration}", TEAM_SEES),
    _write(
        "services",
        "POST",
        "integrations",
        (403, 201, 201, 201),
        {"service": "{service}", "kind": "events", "name": "New"},
    ),
    _write("services", "PATCH", "integrations/{integration}", TEAM_SEES, {"enabled": False}),
    _write("services", "POST", "integrations/{integration}/rotate-key", TEAM_SEES),
    _read("services", "integrations/{integration}/signing", TEAM_SEES),
    _write(
        "services",
        "PATCH",
        "integrations/{integration}/signing",
        TEAM_SEES,
        {"signature_required": False},
    ),
    _write("services", "POST", "integrations/{integration}/signing/secret", TEAM_SEES, {}),
    _write("services", "DELETE", "integrations/{integration}/signing/secret", TEAM_DELETES),
    _write(
        "services", "DELETE", "integrations/{integration}/signing/previous-secret", TEAM_DELETES
    ),
    _read("services", "integrations/{integration}/rules", TEAM_SEES),
    _write("services", "PUT", "integrations/{integration}/rules", TEAM_SEES, {"title": "New"}),
    _write(
        "services",
        "POST",
        "integrations/{integration}/rules/preview",
        TEAM_SEES,
        {"title": "New", "body": "no alert"},
    ),
    _write("services", "DELETE", "integrations/{integration}", TEAM_DELETES),
]
CHANGES = [_read("services", "changes")]
WINDOW = {
    "service": "{service}",
    "reason": "New",
    "starts_at": "2190-01-01T00:00:00Z",
    "ends_at": "2190-01-01T01:00:00Z",
}
MAINTENANCE = [
    _read("services", "maintenance-windows"),
    _read("services", "maintenance-windows/{window}"),
    _write("services", "POST", "maintenance-windows", (403, 201, 201, 201), WINDOW),
    _write(
        "services",
        "POST",
        "maintenance-windows",
        (403, 403, 201, 201),
        WINDOW | {"service": "{teamless}"},
    ),
    _write("services", "POST", "maintenance-windows/{window}/end", (403, 200, 200, 200)),
    _write("services", "DELETE", "maintenance-windows/{window}", (403, 204, 204, 204)),
]
HEARTBEATS = [
    _read("services", "heartbeats/{heartbeat}", TEAM_SEES),
    _write("services", "PATCH", "heartbeats/{heartbeat}", TEAM_SEES, {"interval_seconds": 600}),
]
DELIVERIES = [  # of a disabled integration: nothing is replayed
    _read("services", "deliveries"),
    _read("services", "deliveries/{delivery}", TEAM_SEES),
    _write("services", "POST", "deliveries/{delivery}/replay", (404, 409, 409, 409)),
]
TEAMS_PLACE = {
    "name": "New",
    "team": "{team}",
    "channel": "webhook",
    "address": "https://example.com/x",
}
FOLLOWING = {"destination": "{channel}", "service": "{service}"}
EVENTS = [  # of what the channel follows; carol does not lead its team
    _read("schedules", "event-subscriptions"),
    _read("schedules", "event-subscriptions/{subscription}", TEAM_SEES),
    _write("schedules", "POST", "event-subscriptions", (404, 403, 403, 201), FOLLOWING),
    _write(
        "schedules",
        "PATCH",
        "event-subscriptions/{subscription}",
        (404, 403, 403, 200),
        {"enabled": False},
    ),
    _write("schedules", "DELETE", "event-subscriptions/{subscription}", (404, 403, 403, 204)),
]
MESSAGES = [  # the open one: about an incident that everybody sees, to dan
    _read("incidents", "outgoing-messages"),
    _read("incidents", "outgoing-messages/{message}", TEAM_SEES),
    _read("incidents", "outgoing-messages/{private_message}", PRIVATE),
    _write("incidents", "POST", "outgoing-messages/{message}/resend", (404, 202, 202, 202)),
    _write("incidents", "POST", "outgoing-messages/{private_message}/resend", (404, 202, 404, 404)),
    _write("incidents", "POST", "outgoing-messages/{open_message}/resend", (403, 403, 202, 202)),
]
DESTINATIONS = [  # carol is in the team and does not lead it
    _read("schedules", "destinations"),
    # 409: there is no bot that could say.
    _read("schedules", "destinations/slack-channels", (403, 403, 403, 409)),
    _read("schedules", "destinations/{channel}", TEAM_SEES),
    _read("schedules", "destinations/{hook}", (404, 404, 200, 200)),
    _write("schedules", "POST", "destinations", (403, 403, 403, 201), TEAMS_PLACE),
    _write("schedules", "PUT", "destinations/{channel}", (404, 403, 403, 200), TEAMS_PLACE),
    _write("schedules", "PATCH", "destinations/{channel}", (404, 403, 403, 200), {"name": "N"}),
    _write("schedules", "POST", "destinations/{channel}/test", (404, 403, 403, 202)),
    _write("schedules", "POST", "destinations/{hook}/test", (404, 404, 403, 202)),
    _write("schedules", "DELETE", "destinations/{channel}", (404, 403, 403, 204)),
]
POLICIES = [
    _read("schedules", "escalation-policies"),
    _read("schedules", "escalation-policies/{policy}"),
    _write(
        "schedules",
        "POST",
        "escalation-policies",
        (403, 403, 403, 201),
        {"name": "New", "steps": STEPS},
    ),
    _write(
        "schedules",
        "PUT",
        "escalation-policies/{policy}",
        (403, 403, 403, 200),
        {"name": "New", "steps": STEPS},
    ),
    _write(
        "schedules",
        "PATCH",
        "escalation-policies/{policy}",
        (403, 403, 403, 200),
        {"name": "New"},
    ),
    _write("schedules", "DELETE", "escalation-policies/{policy}", (403, 403, 403, 204)),
    _write("schedules", "POST", "escalation-policies/{policy}/dry-run", EVERYBODY, {}),
]
OWN = (404, 200, 404, 200)  # carol's; administrators see that there is one
HEAR = {"schedule": "{schedule}", "destination": "{hook}", "when": "times", "time": "09:00"}
CALENDAR_FEEDS = [
    _read("schedules", "on-call-announcements"),
    _read("schedules", "on-call-announcements/{announcement}"),
    _write("schedules", "POST", "on-call-announcements", (403, 403, 201, 201), HEAR),
    _write(
        "schedules",
        "PATCH",
        "on-call-announcements/{announcement}",
        SEEN_NOT_DONE,
        {"when": "times", "time": "09:00"},
    ),
    _write("schedules", "DELETE", "on-call-announcements/{announcement}", (403, 403, 204, 204)),
    _read("schedules", "calendar-feeds"),
    _read("schedules", "calendar-feeds/{feed}", OWN),
    _write("schedules", "POST", "calendar-feeds", (201, 201, 201, 201), {"name": "New"}),
    _write("schedules", "PATCH", "calendar-feeds/{feed}", OWN, {"is_enabled": False}),
    _write("schedules", "POST", "calendar-feeds/{feed}/rotate", (404, 200, 404, 403)),
    _write("schedules", "DELETE", "calendar-feeds/{feed}", (404, 204, 404, 204)),
]
SCHEDULES = [
    _read("schedules", "schedules"),
    _read("schedules", "schedules/{schedule}"),
    _read("schedules", "schedules/{schedule}/on-call"),
    _write(
        "schedules", "POST", "schedules", (403, 403, 201, 201), {"name": "New", "layers": LAYERS}
    ),
    _write(
        "schedules",
        "PUT",
        "schedules/{schedule}",
        SEEN_NOT_DONE,
        {"name": "New", "layers": LAYERS},
    ),
    _write("schedules", "PATCH", "schedules/{schedule}", SEEN_NOT_DONE, {"name": "New"}),
    _write("schedules", "DELETE", "schedules/{schedule}", (403, 403, 204, 204)),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/layers/{layer}/put-on-call",
        SEEN_NOT_DONE,
        {"user": "{carol}"},
    ),
]
LATER = {"starts_at": "2190-01-01T00:00:00Z", "ends_at": "2190-01-01T01:00:00Z"}
APART = {"starts_at": "2189-12-30T00:00:00Z", "ends_at": "2189-12-31T00:00:00Z"}
CHANGED = (403, 403, 201, 201)
ON_CALL = [
    _read("schedules", "on-call"),
    _read("schedules", "me/shifts"),
    *[
        _read("schedules", f"schedules/{{schedule}}/{question}")
        for question in ("shifts", "final", "gaps", "hours")
    ],
]
P256DH = "BCbvzr0O6eNKZpGH4Ys6kSKy9zOUW2Scyfn5Ien52tgSkCOL3pzHuzMNFQxncE3SWucFUgV0S28xv0BwdFhy0OY"
BROWSER = {
    "endpoint": "https://push.example.com/send/abc",
    "keys": {"p256dh": P256DH, "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
    "label": "Firefox",
}
BROWSERS = [
    _read("users", "me/push-subscriptions/key"),
    _write("users", "POST", "me/push-subscriptions", (201, 201, 201, 201), BROWSER),
]
ALL_CREATE = (201, 201, 201, 201)
CAROL_SEES = (404, 200, 404, 404)  # it is hers, and nobody else's, whatever the role
CAROL_STARTS = (404, 202, 404, 404)
CAROL_DELETES = (404, 204, 404, 404)
HOOK = {"channel": "webhook", "address": "https://hooks.example.com/mine"}
AWAY = {
    "begins_at": "2190-02-01T08:00:00Z",
    "ends_at": "2190-02-02T08:00:00Z",
    "substitute": "{dan}",
}
MY_PAGING = [
    _read("users", "me/contact-methods"),
    _read("users", "me/contact-methods/{method}", CAROL_SEES),
    _write("users", "POST", "me/contact-methods", ALL_CREATE, HOOK),
    _write("users", "PATCH", "me/contact-methods/{method}", CAROL_SEES, {"label": "New"}),
    _write("users", "DELETE", "me/contact-methods/{method}", CAROL_DELETES),
    _write("users", "POST", "me/contact-methods/{method}/test", CAROL_STARTS),
    _write("users", "POST", "me/contact-methods/{unverified}/send-code", CAROL_STARTS),
    _write(
        "users",
        "POST",
        "me/contact-methods/{unverified}/verify",
        (404, 400, 404, 404),  # no code was sent
        {"code": "123456"},
    ),
    _read("users", "me/notification-rules"),
    _read("users", "me/notification-rules/{rule}", CAROL_SEES),
    _write(
        "users",
        "POST",
        "me/notification-rules",
        (404, 201, 404, 404),
        {"contact_method": "{method}", "urgency": "other", "delay_minutes": 9},
    ),
    _write("users", "PATCH", "me/notification-rules/{rule}", CAROL_SEES, {"delay_minutes": 5}),
    _write("users", "DELETE", "me/notification-rules/{rule}", CAROL_DELETES),
    _read("users", "me/paging-preferences"),
    _write("users", "PATCH", "me/paging-preferences", EVERYBODY, {"digest": "hourly"}),
    _read("users", "me/absences"),
    _read("users", "me/absences/{absence}", CAROL_SEES),
    _write("users", "POST", "me/absences", ALL_CREATE, AWAY),
    _write("users", "DELETE", "me/absences/{absence}", CAROL_DELETES),
    _read("users", "me/paging-plan"),
    _read("schedules", "me/on-call-preferences"),
    _write("schedules", "PATCH", "me/on-call-preferences", EVERYBODY, {"tells_end": False}),
]
ADDED = LATER | {"kind": "add", "user": "{dan}"}
OVERRIDES = [
    _read("schedules", "schedules/{schedule}/overrides"),
    _read("schedules", "schedules/{schedule}/overrides/{override}"),
    _write("schedules", "POST", "schedules/{schedule}/overrides", CHANGED, ADDED),
    _write("schedules", "PUT", "schedules/{schedule}/overrides/{override}", SEEN_NOT_DONE, ADDED),
    _write(
        "schedules", "DELETE", "schedules/{schedule}/overrides/{override}", (403, 403, 204, 204)
    ),
    _write("schedules", "POST", "schedules/{schedule}/overrides/{begun}/end", SEEN_NOT_DONE),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/cover",
        CHANGED,
        APART | {"user": "{carol}", "by": "{dan}"},
    ),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/take-over",
        CHANGED,
        {"until": "2190-01-01T00:00:00Z", "replaces": "{carol}"},
    ),
]
TEMPORARIES = [
    _read("schedules", "schedules/{schedule}/temporary-schedules"),
    _read("schedules", "schedules/{schedule}/temporary-schedules/{temporary}"),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/temporary-schedules",
        CHANGED,
        LATER | {"shifts": [LATER | {"user": "{dan}"}]},
    ),
    _write(
        "schedules",
        "DELETE",
        "schedules/{schedule}/temporary-schedules/{temporary}",
        (403, 403, 204, 204),
    ),
    _write(
        "schedules", "POST", "schedules/{schedule}/temporary-schedules/cut", SEEN_NOT_DONE, LATER
    ),
]
SWAPS = [  # of one's own shifts; people of the schedule and responders may take them
    _read("schedules", "schedules/{schedule}/swap-requests"),
    _read("schedules", "schedules/{schedule}/swap-requests/{swap}"),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/swap-requests",
        (400, 201, 400, 400),
        APART,
    ),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/swap-requests/{swap}/take",
        (403, 409, 200, 200),
    ),
    _write(
        "schedules",
        "POST",
        "schedules/{schedule}/swap-requests/{swap}/cancel",
        (403, 200, 200, 200),
    ),
]
PEOPLE = [
    _read("users", "users"),
    _read("users", "users/{carol}"),
    _write(
        "users",
        "POST",
        "users",
        (403, 403, 403, 201),
        {"email": "new@example.com", "name": "New"},
    ),
    _write("users", "PATCH", "users/{carol}", (403, 403, 403, 200), {"role": "responder"}),
    _read("users", "teams"),
    _read("users", "teams/{team}"),
    _write("users", "POST", "teams", (403, 403, 201, 201), {"name": "New"}),
    _write("users", "PATCH", "teams/{team}", SEEN_NOT_DONE, {"name": "New"}),
]
INCIDENTS = [
    _read("incidents", "incidents"),
    _write(
        "incidents",
        "POST",
        "incidents",
        (403, 403, 201, 201),
        {"service": "{service}", "title": "New"},
    ),
]
for _name, _sight, _action in (
    ("public", TEAM_SEES, TEAM_SEES),
    ("private", PRIVATE, PRIVATE),
    ("open_to_all", EVERYBODY, SEEN_NOT_DONE),
):
    _path = f"incidents/{{{_name}}}"
    _created = tuple(201 if status == 200 else status for status in _action)
    _nobody = tuple(409 if status == 200 else status for status in _action)  # no policy
    INCIDENTS += [
        _read("incidents", _path, _sight),
        _read("incidents", f"{_path}/notes", _sight),
        _read("incidents", f"{_path}/timeline", _sight),
        _write("incidents", "POST", f"{_path}/acknowledge", _action),
        _write("incidents", "POST", f"{_path}/escalate", _nobody),  # type: ignore[arg-type]
        _write("incidents", "POST", f"{_path}/resolve", _action),
        _write("incidents", "POST", f"{_path}/reassign", _action, {"assignee": None}),
        _write("incidents", "POST", f"{_path}/notes", _created, {"text": "New"}),  # type: ignore[arg-type]
    ]

ENDPOINTS = [
    *SERVICES,
    *CHANGES,
    *INTEGRATIONS,
    *DELIVERIES,
    *HEARTBEATS,
    *MAINTENANCE,
    *DESTINATIONS,
    *EVENTS,
    *MESSAGES,
    *POLICIES,
    *CALENDAR_FEEDS,
    *SCHEDULES,
    *ON_CALL,
    *OVERRIDES,
    *BROWSERS,
    *MY_PAGING,
    *TEMPORARIES,
    *SWAPS,
    *PEOPLE,
    *INCIDENTS,
]
