"""Amazon SNS at the door: signatures, certificates, subscriptions."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pytest_django import Settings

from incidents.intake import door, sns_client
from incidents.intake.keyring import Keyring
from incidents.intake.sns import is_certificate_address, is_subscribe_address
from incidents.intake.sns_client import is_made_out_to_sns, shared_certificates
from incidents.models import Alert, Delivery, Incident, Integration
from tests.incidents.amazon import ALARM, CERTIFICATE, HOST, TOPIC, Amazon, certificate
from tests.incidents.doors import Door, knock
from tests.incidents.sns import ago, amazon, cloudwatch, refusal, send

__all__ = ["amazon", "cloudwatch", "knock"]

NO_CERTIFICATE_ADDRESSES = [
    f"http://sns.us-east-1.amazonaws.com{CERTIFICATE}",
    f"https://evil.example{CERTIFICATE}",
    f"https://sns.us-east-1.amazonaws.com.evil.example{CERTIFICATE}",
    f"https://sns.us-east-1.amazonaws.com@evil.example{CERTIFICATE}",
    f"https://user:word@sns.us-east-1.amazonaws.com{CERTIFICATE}",
    f"https://sns.us-east-1.amazonaws.com:8443{CERTIFICATE}",
    f"https://evil.example/.sns.us-east-1.amazonaws.com{CERTIFICATE}",
    f"https://evil.example#sns.us-east-1.amazonaws.com{CERTIFICATE}",
    f"https://sns.us-east-1.amazonaws.com\\@evil.example{CERTIFICATE}",
    f"https://sns.us-east-1.amazonaws.com\t{CERTIFICATE}",
    f"https://s3.us-east-1.amazonaws.com{CERTIFICATE}",
    # Buckets that anybody may have called "sns".
    f"https://sns.s3.amazonaws.com{CERTIFICATE}",
    f"https://sns.s3-us-west-2.amazonaws.com{CERTIFICATE}",
    f"https://sns.s3-website-us-east-1.amazonaws.com{CERTIFICATE}",
    f"https://sns.s3-accelerate.amazonaws.com{CERTIFICATE}",
    f"https://xsns.us-east-1.amazonaws.com{CERTIFICATE}",
    f"{HOST}/bucket/evil.pem",
    f"{HOST}/../evil{CERTIFICATE}",
    f"{HOST}{CERTIFICATE}?x=1",
    f"{HOST}{CERTIFICATE}\n",
    "",
]


@pytest.mark.parametrize("version", ["1", "2"])
def test_signed_message_opens_an_incident(
    knock: Door, amazon: Amazon, cloudwatch: Integration, version: str
) -> None:
    response = send(knock, cloudwatch, amazon.message(SignatureVersion=version))

    assert response.status_code == 202, response.text
    assert Delivery.objects.get().signature == "valid"
    assert Incident.objects.get().title.startswith("Checkout errors")


def test_message_without_a_subject_is_signed_without_one(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, amazon.message(Subject=None))

    assert response.status_code == 202


def test_certificate_is_fetched_once(knock: Door, amazon: Amazon, cloudwatch: Integration) -> None:
    for _ in range(3):
        assert send(knock, cloudwatch, amazon.message()).status_code == 202

    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize("field", ["Message", "Subject", "MessageId", "TopicArn", "Timestamp"])
def test_changed_message_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration, field: str
) -> None:
    changed = {field: ago(minutes=5) if field == "Timestamp" else "something else"}

    response = send(knock, cloudwatch, amazon.message() | changed)

    assert "is wrong" in refusal(response)


def test_message_of_one_version_is_not_taken_for_the_other(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(
        knock, cloudwatch, amazon.message(SignatureVersion="2") | {"SignatureVersion": "1"}
    )

    assert "is wrong" in refusal(response)


def test_message_signed_by_somebody_else_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    amazon.serve(certificate(rsa.generate_private_key(65537, 2048)))

    response = send(knock, cloudwatch, amazon.message())

    assert "is wrong" in refusal(response)


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "ü"])
def test_broken_signature_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration, signature: str
) -> None:
    response = send(knock, cloudwatch, amazon.message() | {"Signature": signature})

    assert "The signature is" in refusal(response)


def test_what_is_added_to_a_signed_message_is_not_believed(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    added = {**ALARM, "AlarmName": "Forged", "detail": {"alarmName": "Forged"}}

    response = send(knock, cloudwatch, amazon.message() | added)

    assert response.status_code == 202
    assert "Forged" not in Alert.objects.get().summary


def test_message_older_than_an_hour_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, amazon.message(Timestamp=ago(minutes=61)))

    assert "too old" in refusal(response)
    assert amazon.asked == []


def test_message_of_the_last_hour_is_taken(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, amazon.message(Timestamp=ago(minutes=59)))

    assert response.status_code == 202


def test_message_without_a_time_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, amazon.message(Timestamp="yesterday"))

    assert "Timestamp" in refusal(response)


@pytest.mark.parametrize("url", NO_CERTIFICATE_ADDRESSES)
def test_certificate_of_another_address_is_not_fetched(
    knock: Door, amazon: Amazon, cloudwatch: Integration, url: str
) -> None:
    response = send(knock, cloudwatch, amazon.message(SigningCertURL=url))

    assert "SigningCertURL is not Amazon's" in refusal(response)
    assert amazon.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "sns.us-east-1.amazonaws.com",
        "sns.ap-southeast-2.amazonaws.com",
        "sns.us-gov-west-1.amazonaws.com",
        "sns.mx-central-1.amazonaws.com",
        "sns.cn-north-1.amazonaws.com.cn",
    ],
)
def test_amazons_own_addresses_are_known(host: str) -> None:
    query = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e2425c464"

    assert is_certificate_address(f"https://{host}{CERTIFICATE}")
    assert is_subscribe_address(f"https://{host}/?{query}")


def test_without_the_setting_only_amazons_hosts_are_believed(
    knock: Door, amazon: Amazon, cloudwatch: Integration, settings: Settings
) -> None:
    settings.SNS_ENDPOINT = ""

    response = send(knock, cloudwatch, amazon.message())

    assert "SigningCertURL is not Amazon's" in refusal(response)
    assert amazon.asked == []


@pytest.mark.parametrize(
    ("status", "pem"),
    [
        (404, b""),
        (302, b""),
        (200, b"<html>"),
        (200, certificate(ec.generate_private_key(ec.SECP256R1()))),
        (200, certificate(rsa.generate_private_key(65537, 1024))),  # noqa: S505
        (200, b"x" * 100_000),
    ],
    ids=["absent", "elsewhere", "page", "no RSA", "short key", "too long"],
)
def test_what_is_no_safe_certificate_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration, status: int, pem: bytes
) -> None:
    amazon.serve(pem, status)

    response = send(knock, cloudwatch, amazon.message())

    assert "certificate at SigningCertURL" in refusal(response)


def test_expired_certificate_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    amazon.serve(certificate(amazon.key, until=timedelta(days=-1)))

    response = send(knock, cloudwatch, amazon.message())

    assert "not valid now" in refusal(response)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sns.amazonaws.com", True),
        ("sns.us-east-1.amazonaws.com", True),
        ("sns-us-gov-west-1.amazonaws.com", True),
        ("sns-signing.af-south-1.amazonaws.com", True),
        ("sns.cn-north-1.amazonaws.com.cn", True),
        ("s3.amazonaws.com", False),
        ("snsx.amazonaws.com", False),
        ("sns.amazonaws.com.evil.example", False),
    ],
)
def test_certificate_must_be_made_out_to_sns(name: str, expected: bool) -> None:
    pem = certificate(rsa.generate_private_key(65537, 2048), name=name)

    assert is_made_out_to_sns(x509.load_pem_x509_certificate(pem)) is expected


def test_amazon_in_trouble_is_asked_again_later(
    knock: Door, amazon: Amazon, cloudwatch: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sns_client, "SILENT_SECONDS", 0.0)
    amazon.serve(b"", 503)

    in_trouble = send(knock, cloudwatch, amazon.message())
    amazon.serve(certificate(amazon.key))
    well_again = send(knock, cloudwatch, amazon.message())

    assert in_trouble.status_code == 503
    assert in_trouble.headers["retry-after"]
    assert well_again.status_code == 202


def test_silent_amazon_holds_nobody_up(
    knock: Door, amazon: Amazon, cloudwatch: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sns_client, "SECONDS", 0.2)
    amazon.stalls.set()

    first = send(knock, cloudwatch, amazon.message())
    again = send(knock, cloudwatch, amazon.message())

    assert [first.status_code, again.status_code] == [503, 503]
    assert amazon.asked == [CERTIFICATE]


def test_alarm_past_sns_needs_a_waiver(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    refused = send(knock, cloudwatch, ALARM)
    reason = refusal(refused)
    Integration.objects.update(signature_required=False)
    door.keyring = Keyring()  # ten seconds later

    waived = send(knock, cloudwatch, ALARM)

    assert "not a signed SNS message" in reason
    assert waived.status_code == 202
    assert Delivery.objects.get(verdict="accepted").signature == "waived"


def test_raw_message_says_what_to_switch_off(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, ALARM, x_amz_sns_rawdelivery="true")

    assert "raw message delivery" in refusal(response)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"Type": 7}', b'{"Message": {}}', b"[" * 9999]
)
def test_nonsense_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration, body: bytes
) -> None:
    address = f"/api/integrations/cloudwatch/{cloudwatch.key}"

    response = knock.post(address, content=body)

    assert "not a signed SNS message" in refusal(response)


@pytest.mark.parametrize(("topic", "status"), [(TOPIC, 202), (TOPIC + "2", 401)])
def test_only_the_stored_topic_is_taken(
    knock: Door, amazon: Amazon, cloudwatch: Integration, topic: str, status: int
) -> None:
    cloudwatch.signing_secret = topic
    cloudwatch.save()

    response = send(knock, cloudwatch, amazon.message())

    assert response.status_code == status


def test_many_who_wait_ask_once(amazon: Amazon) -> None:
    url = amazon.origin + CERTIFICATE

    async def ask() -> set[int]:
        certificates = shared_certificates()
        found = await asyncio.gather(*(certificates.find(url) for _ in range(50)))
        return {certificate.key.key_size for certificate in found}

    assert async_to_sync(ask)() == {2048}
    assert amazon.asked == [CERTIFICATE]


def test_addresses_without_end_are_not_all_asked(amazon: Amazon) -> None:
    urls = [f"{amazon.origin}/SimpleNotificationService-{n}.pem" for n in range(40)]

    async def ask() -> list[str]:
        certificates = shared_certificates()
        asked = (certificates.find(url) for url in urls)
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [type(error).__name__ for error in found]

    answers = async_to_sync(ask)()

    assert answers.count("SnsUnavailable") == len(urls) - sns_client.MAX_QUESTIONS
    assert len(amazon.asked) == sns_client.MAX_QUESTIONS


def test_what_ends_the_subscription_is_not_stored(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    send(knock, cloudwatch, amazon.message())

    stored = json.loads(bytes(Delivery.objects.get().body))
    assert stored["UnsubscribeURL"] == "•••"
    assert stored["TopicArn"] == TOPIC
