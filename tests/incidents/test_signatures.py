"""Signatures of vendors at the door: valid, forged, missing, of a rotated secret, waived."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from incidents.intake.schemes import SCHEMES
from incidents.models import Delivery, Incident, Integration, Service
from tests.incidents import signing
from tests.incidents.doors import Door, knock
from tests.incidents.signing import Headers, Vendor, payload

__all__ = ["knock"]

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OLD_SECRET = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

# Kind, one of its messages, how its vendor signs.
VENDORS = [
    pytest.param("github", "workflow_run_failure", signing.github, id="github"),
    pytest.param("gitlab", "pipeline_failed", signing.gitlab, id="gitlab token"),
    pytest.param("gitlab", "pipeline_failed", signing.gitlab_signed, id="gitlab signature"),
    pytest.param("bitbucket", "status_failed", signing.bitbucket, id="bitbucket"),
    pytest.param("bitbucket", "status_failed", signing.generic, id="bitbucket generic"),
    pytest.param("sentry", "issue_created", signing.sentry, id="sentry"),
    pytest.param("vercel", "error", signing.vercel, id="vercel"),
    pytest.param("grafana", "unified_firing", signing.grafana, id="grafana"),
    pytest.param("grafana", "unified_firing", signing.grafana_timed, id="grafana with time"),
    pytest.param("grafana", "legacy_alerting", signing.grafana_of_the_original, id="old grafana"),
    pytest.param("honeycomb", "template_triggered", signing.honeycomb, id="honeycomb"),
    pytest.param("zabbix", "problem", signing.generic, id="zabbix"),
    pytest.param("datadog", "triggered", signing.generic_by_its_other_name, id="datadog"),
]
# Those that prove the body, not only the sender.
OVER_THE_BODY = [
    vendor for vendor in VENDORS if vendor.values[2] not in (signing.gitlab, signing.honeycomb)
]


def signed_integration(kind: str, **values: Any) -> Integration:
    service = Service.objects.create(name="Checkout")
    return Integration.objects.create(
        service=service,
        name=kind,
        kind=kind,
        **{"signature_required": True, "signing_secret": SECRET} | values,
    )


def send(door: Door, integration: Integration, body: bytes, headers: Headers) -> Any:
    address = f"/api/integrations/{integration.kind}/{integration.key}"
    return door.post(address, content=body, **headers)


def refusal(response: Any) -> str:
    assert response.status_code == 401, response.text
    error = response.json()["error"]
    assert error["code"] == "bad_signature"
    assert not Incident.objects.exists()
    delivery = Delivery.objects.get()
    assert (delivery.verdict, delivery.signature) == ("refused", "refused")
    assert delivery.reason == error["message"]
    message: str = error["message"]
    return message


@pytest.mark.parametrize(("kind", "name", "vendor"), VENDORS)
def test_signed_delivery_opens_an_incident(
    knock: Door, kind: str, name: str, vendor: Vendor
) -> None:
    integration = signed_integration(kind)
    body = payload(kind, name)

    response = send(knock, integration, body, vendor(SECRET, body))

    assert response.status_code == 202, response.text
    assert Delivery.objects.get().signature == "valid"
    assert Incident.objects.count() == 1


def test_splunk_signs_in_base64(knock: Door) -> None:
    integration = signed_integration("splunk-observability")
    body = payload("splunk-observability", "anomalous")

    response = send(knock, integration, body, signing.splunk(SECRET, body))
    lower = {k: v.lower() for k, v in signing.splunk(SECRET, body).items()}
    in_lower_case = send(knock, integration, body, lower)

    assert response.status_code == 202
    assert in_lower_case.status_code == 401


@pytest.mark.parametrize(("kind", "name", "vendor"), VENDORS)
def test_delivery_signed_with_another_secret_is_refused(
    knock: Door, kind: str, name: str, vendor: Vendor
) -> None:
    integration = signed_integration(kind)
    body = payload(kind, name)

    response = send(knock, integration, body, vendor(OLD_SECRET, body))

    assert "is wrong" in refusal(response)


@pytest.mark.parametrize(("kind", "name", "vendor"), OVER_THE_BODY)
def test_changed_body_is_refused(knock: Door, kind: str, name: str, vendor: Vendor) -> None:
    integration = signed_integration(kind)
    body = payload(kind, name)

    response = send(knock, integration, body + b" ", vendor(SECRET, body))

    assert "is wrong" in refusal(response)


@pytest.mark.parametrize(("kind", "name", "vendor"), VENDORS)
def test_unsigned_delivery_is_refused(knock: Door, kind: str, name: str, vendor: Vendor) -> None:
    integration = signed_integration(kind)

    response = send(knock, integration, payload(kind, name), {})

    assert "is missing" in refusal(response)


def test_without_a_stored_secret_the_refusal_says_so(knock: Door) -> None:
    integration = signed_integration("sentry", signing_secret="")
    body = payload("sentry", "issue_created")

    response = send(knock, integration, body, signing.sentry(SECRET, body))

    message = refusal(response)
    assert "No secret is stored" in message
    assert "Client Secret" in message


@pytest.mark.parametrize("empty", ["", "sha256="])
def test_an_empty_signature_proves_nothing(knock: Door, empty: str) -> None:
    integration = signed_integration("github")

    response = send(knock, integration, payload("github", "ping"), {"X-Hub-Signature-256": empty})

    assert "is wrong" in refusal(response)


def test_a_forgery_is_recorded_beside_what_is_genuine(knock: Door) -> None:
    integration = signed_integration("github")
    body = payload("github", "workflow_run_failure")

    send(knock, integration, body, signing.github(SECRET, body))
    send(knock, integration, body, signing.github(OLD_SECRET, body))

    assert list(Delivery.objects.values_list("verdict", flat=True)) == ["refused", "accepted"]


def test_old_secret_holds_during_the_rotation(knock: Door) -> None:
    integration = signed_integration(
        "github",
        previous_signing_secret=OLD_SECRET,
        previous_secret_until=timezone.now() + timedelta(hours=1),
    )
    body = payload("github", "workflow_run_failure")

    by_old = send(knock, integration, body, signing.github(OLD_SECRET, body))
    by_new = send(knock, integration, body, signing.github(SECRET, body))

    assert [by_old.status_code, by_new.status_code] == [202, 202]


def test_old_secret_ends_with_the_rotation(knock: Door) -> None:
    integration = signed_integration(
        "github",
        previous_signing_secret=OLD_SECRET,
        previous_secret_until=timezone.now() - timedelta(seconds=1),
    )
    body = payload("github", "workflow_run_failure")

    response = send(knock, integration, body, signing.github(OLD_SECRET, body))

    assert "is wrong" in refusal(response)


@pytest.mark.parametrize(
    ("kind", "name", "secret", "expected"),
    [
        ("github", "workflow_run_failure", SECRET, "waived"),  # its vendor signs
        ("github", "workflow_run_failure", "", "waived"),
        ("datadog", "triggered", "", ""),  # its vendor does not
    ],
)
def test_waived_check_lets_everything_in(
    knock: Door, kind: str, name: str, secret: str, expected: str
) -> None:
    integration = signed_integration(kind, signature_required=False, signing_secret=secret)
    body = payload(kind, name)

    unsigned = send(knock, integration, body, {})
    forged = send(knock, integration, body, signing.github(OLD_SECRET, body))

    assert [unsigned.status_code, forged.status_code] == [202, 202]
    assert set(Delivery.objects.values_list("signature", flat=True)) == {expected}


def test_a_signature_that_holds_is_noted_though_waived(knock: Door) -> None:
    integration = signed_integration("github", signature_required=False)
    body = payload("github", "workflow_run_failure")

    send(knock, integration, body, signing.github(SECRET, body))

    assert Delivery.objects.get().signature == "valid"


def test_hexadecimal_may_be_in_capitals(knock: Door) -> None:
    integration = signed_integration("github")
    body = payload("github", "workflow_run_failure")
    headers = {k.upper(): v.upper() for k, v in signing.github(SECRET, body).items()}

    response = send(knock, integration, body, headers)

    assert response.status_code == 202


def test_a_token_in_another_case_is_refused(knock: Door) -> None:
    integration = signed_integration("gitlab")
    body = payload("gitlab", "pipeline_failed")

    response = send(knock, integration, body, {"X-Gitlab-Token": SECRET.upper()})

    assert "is wrong" in refusal(response)


def test_a_header_that_is_not_ascii_is_refused(knock: Door) -> None:
    integration = signed_integration("gitlab")
    headers: Any = {"X-Gitlab-Token": "schlüssel €".encode()}

    response = send(knock, integration, payload("gitlab", "pipeline_failed"), headers)

    assert "is wrong" in refusal(response)


def test_a_secret_that_is_not_ascii_works(knock: Door) -> None:
    integration = signed_integration("gitlab", signing_secret="schlüssel €")
    headers: Any = {"X-Gitlab-Token": "schlüssel €".encode()}

    response = send(knock, integration, payload("gitlab", "pipeline_failed"), headers)

    assert response.status_code == 202


@pytest.mark.parametrize(
    ("kind", "name", "vendor"),
    [
        ("gitlab", "pipeline_failed", signing.gitlab_signed),
        ("grafana", "unified_firing", signing.grafana_timed),
    ],
)
@pytest.mark.parametrize("seconds", [-301, 310])
def test_a_signed_time_must_be_recent(
    knock: Door, kind: str, name: str, vendor: Any, seconds: int
) -> None:
    integration = signed_integration(kind)
    body = payload(kind, name)

    response = send(knock, integration, body, vendor(SECRET, body, time.time() + seconds))

    assert "is wrong" in refusal(response)


def test_one_of_several_standard_signatures_is_enough(knock: Door) -> None:
    integration = signed_integration("gitlab")
    body = payload("gitlab", "pipeline_failed")
    headers = signing.gitlab_signed(SECRET, body)
    headers["webhook-signature"] = f"v1a,other v1,b3RoZXI= {headers['webhook-signature']}"

    response = send(knock, integration, body, headers)

    assert response.status_code == 202


def test_honeycombs_body_may_carry_the_secret(knock: Door) -> None:
    integration = signed_integration("honeycomb")
    body = payload("honeycomb", "triggered").replace(b"not-for-the-database", SECRET.encode())

    response = send(knock, integration, body, {})

    assert response.status_code == 202
    assert SECRET.encode() not in bytes(Delivery.objects.get().body)


def test_another_format_is_no_way_around_the_signature(knock: Door) -> None:
    integration = signed_integration("events")
    body = (
        b'{"routing_key": "%s", "event_action": "trigger", "dedup_key": "k",'
        b' "payload": {"summary": "Down", "source": "db-1", "severity": "critical"}}'
    ) % integration.key.encode()

    response = knock.post("/v2/enqueue", content=body)

    assert response.status_code == 401
    assert not Incident.objects.exists()


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "email", "heartbeat"])
def test_kinds_without_signatures_need_none(kind: str) -> None:
    assert kind not in SCHEMES
