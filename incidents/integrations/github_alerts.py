"""GitHub's security alerts: Dependabot, code scanning, secret scanning.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#dependabot_alert
https://docs.github.com/en/webhooks/webhook-events-and-payloads#code_scanning_alert
"""

from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.reading import child, key_of, links_to, text, unclear

# The older event of a vulnerability numbers its alerts like Dependabot's.
EVENTS: Final = {
    "dependabot_alert": "dependabot",
    "repository_vulnerability_alert": "dependabot",
    "code_scanning_alert": "code-scanning",
    "secret_scanning_alert": "secret-scanning",
}
ACTIONS: Final[dict[str, Action]] = {
    **dict.fromkeys(
        ["create", "created", "reopen", "reopened", "reopened_by_user", "auto_reopened",
         "reintroduced"],
        "trigger",
    ),
    **dict.fromkeys(
        ["fixed", "dismiss", "dismissed", "auto_dismissed", "closed_by_user", "resolve",
         "resolved"],
        "resolve",
    ),
}  # fmt: skip
STATES: Final[dict[str, Action]] = {
    "open": "trigger",
    "fixed": "resolve",
    "dismissed": "resolve",
    "auto_dismissed": "resolve",
    "resolved": "resolve",
}
# GitHub's words that others do not use.
SEVERITIES: Final[dict[str, Severity]] = {"moderate": "warning", "note": "info"}


def name_of(alert: dict[str, Any]) -> str:
    """The event of an alert that came without a header; "" when it is none of these."""
    if child(alert, "security_advisory") or child(alert, "dependency"):
        return "dependabot_alert"
    if text(alert, "affected_package_name"):
        return "repository_vulnerability_alert"
    if text(alert, "secret_type"):
        return "secret_scanning_alert"
    return "code_scanning_alert" if child(alert, "rule") else ""


def event_of(message: dict[str, Any], name: str) -> Event:
    """Open until it is fixed or dismissed; raises InvalidPayload, Unsupported."""
    alert = child(message, "alert")
    number = text(alert, "number", "id")
    if not number:
        raise unclear("alert.number", "Say which alert this is: number.")
    action = _action(message, alert)
    repository = text(child(message, "repository"), "full_name", "name")
    subject = _subject(alert)
    severity = _severity(alert)
    tool = EVENTS[name]
    return Event(
        action=action,
        dedup_key=key_of("github", tool, repository, number),
        summary=one_line(subject, MAX_SUMMARY) or one_line(f"{tool} alert {number}", MAX_SUMMARY),
        source=one_line(repository, MAX_SOURCE),
        severity=SEVERITIES.get(severity) or severity_of(severity, "warning"),
        description=lines(_explanation(alert)),
        details={
            "alert": number,
            "severity": severity,
            "package": _package(alert),
            "manifest": text(child(alert, "dependency"), "manifest_path"),
            "range": text(child(alert, "security_vulnerability"), "vulnerable_version_range"),
            "identifier": _identifier(alert),
            "tool": text(child(alert, "tool"), "name"),
            "ref": text(message, "ref"),
        },
        links=links_to((text(alert, "html_url", "external_reference"), "Alert")),
        occurred_at=parse_time(alert.get("created_at" if action == "trigger" else "updated_at")),
    )


def _action(message: dict[str, Any], alert: dict[str, Any]) -> Action:
    word = text(message, "action").lower()
    if word and word not in ACTIONS:
        raise Unsupported("This change of a security alert is no alert; nothing was opened.")
    state = text(alert, "state").lower()
    if not word and state not in STATES:
        raise unclear("action", "Say what happened to the alert: action.")
    return ACTIONS[word] if word else STATES[state]


def _subject(alert: dict[str, Any]) -> str:
    advisory = text(child(alert, "security_advisory"), "summary")
    rule = text(child(alert, "rule"), "description", "name", "id")
    secret = text(alert, "secret_type_display_name", "secret_type")
    package = _package(alert)
    if advisory or rule or secret:
        what = advisory or rule or f"Secret found: {secret}"
        return f"{what} ({package})" if package else what
    return f"Vulnerable dependency: {package}" if package else ""


def _explanation(alert: dict[str, Any]) -> str:
    advisory = text(child(alert, "security_advisory"), "description")
    return advisory or text(child(alert, "rule"), "full_description", "description")


def _package(alert: dict[str, Any]) -> str:
    named = text(child(alert, "dependency", "package"), "name")
    named = named or text(child(alert, "security_vulnerability", "package"), "name")
    return named or text(alert, "affected_package_name")


def _severity(alert: dict[str, Any]) -> str:
    rule = text(child(alert, "rule"), "security_severity_level", "severity")
    advisory = text(child(alert, "security_advisory"), "severity")
    vulnerability = text(child(alert, "security_vulnerability"), "severity")
    named = (advisory or vulnerability or rule or text(alert, "severity")).lower()
    # A secret that leaked is in other hands already.
    return named or ("critical" if text(alert, "secret_type") else "")


def _identifier(alert: dict[str, Any]) -> str:
    advisory = text(child(alert, "security_advisory"), "cve_id", "ghsa_id")
    return (
        advisory
        or text(alert, "external_identifier", "ghsa_id")
        or text(child(alert, "rule"), "id")
    )
