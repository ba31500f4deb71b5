"""Whatever comes as a signature: proven, or refused; never an accident."""

import pytest
from asgiref.sync import async_to_sync
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.intake.arrivals import Arrival
from incidents.intake.key_owner import KeyOwner
from incidents.intake.masking import mask_body, mask_headers, mask_query
from incidents.intake.proofs import GENERIC_HEADERS
from incidents.intake.schemes import SCHEMES
from incidents.intake.signatures import SignatureRefused, check_signature, signed_headers

NAMES = [
    *GENERIC_HEADERS,
    "x-hub-signature",
    "x-hub-signature-256",
    "x-gitlab-token",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "sentry-hook-signature",
    "x-vercel-signature",
    "x-grafana-signature",
    "x-grafana-alerting-signature",
    "x-grafana-alerting-timestamp",
    "x-sfx-signature",
    "x-honeycomb-webhook-token",
    "x-amz-sns-rawdelivery",
]
VALUES = st.one_of(
    st.text(max_size=80),
    st.text(st.characters(max_codepoint=255), max_size=80),
    st.sampled_from(["sha256=", "v1,", "0", "9" * 400, "²", "-1", "v1,=== v1,", "\x00"]),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"{}",
            b"[" * 5000,
            b'{"shared_secret": 7}',
            b'{"shared_secret":"\\ud800"}',
            b'{"Type": "Notification"}',
            b'{"Type":"Notification","SignatureVersion":"2","Signature":"\\ud800"}',
            b'{"Type":"SubscriptionConfirmation"}',
        ]
    ),
)


def owner_of(kind: str, secrets: tuple[str, ...], *, required: bool) -> KeyOwner:
    return KeyOwner(
        integration_id=1,
        service_id=1,
        kind=kind,
        name="Fuzz",
        enabled=True,
        key="k" * 32,
        signature_required=required,
        signing_secrets=secrets,
    )


@pytest.mark.parametrize("kind", sorted(SCHEMES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES), body=BODIES)
def test_nonsense_is_refused(kind: str, headers: dict[str, str], body: bytes) -> None:
    secrets = ("whsec_not base64", "schlüssel €")
    arrival = Arrival(
        owner=owner_of(kind, secrets, required=True), kind=kind, headers=headers, body=body
    )

    with pytest.raises(SignatureRefused) as refused:
        async_to_sync(check_signature)(arrival)

    assert not any(secret in refused.value.message for secret in secrets)


@pytest.mark.parametrize("kind", sorted(k for k in SCHEMES if k != "cloudwatch"))
@settings(max_examples=30, deadline=None)
@given(body=st.binary(max_size=300), secret=st.text(min_size=1, max_size=50))
def test_what_we_sign_is_valid(kind: str, body: bytes, secret: str) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    owner = owner_of(kind, (secret, "older"), required=True)
    headers = signed_headers(owner, body)
    arrival = Arrival(owner=owner, kind=kind, headers=headers, body=body)

    assert async_to_sync(check_signature)(arrival) == "valid"


@settings(max_examples=200, deadline=None)
@given(body=BODIES, headers=st.dictionaries(st.text(max_size=120), VALUES))
def test_masking_takes_anything(body: bytes, headers: dict[str, str]) -> None:
    for kind in ("pagerduty", "cloudwatch", "honeycomb", "webhook"):
        assert isinstance(mask_body(kind, body, "k"), bytes)
    assert mask_headers(headers).keys() == mask_query(headers).keys() == headers.keys()
