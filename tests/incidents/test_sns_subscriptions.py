"""Subscriptions of Amazon SNS: confirmed when they are Amazon's, and never by another address."""

import json

import pytest

from incidents.intake.arrivals import Arrival
from incidents.intake.keyring import owner_of
from incidents.intake.reception import receive_sync
from incidents.models import Delivery, Integration
from tests.incidents.amazon import CERTIFICATE, HOST, Amazon
from tests.incidents.doors import Door, knock
from tests.incidents.sns import ago, amazon, cloudwatch, ignored, refusal, send

__all__ = ["amazon", "cloudwatch", "knock"]


def test_subscription_is_confirmed(knock: Door, amazon: Amazon, cloudwatch: Integration) -> None:
    message = amazon.message("SubscriptionConfirmation")

    response = send(knock, cloudwatch, message)

    assert "is confirmed" in ignored(response)
    assert amazon.asked == [CERTIFICATE, message["SubscribeURL"].removeprefix(amazon.origin)]
    stored = bytes(Delivery.objects.get().body)
    assert b"2336412f37" not in stored


def test_end_of_a_subscription_is_ignored(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    response = send(knock, cloudwatch, amazon.message("UnsubscribeConfirmation"))

    assert "no alarm" in ignored(response)
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&Token=1",
        "https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com@evil.example/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com:444/?Action=ConfirmSubscription",
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "http://169.254.169.254/latest/meta-data/?Action=ConfirmSubscription",
        f"{HOST}/?Action=Unsubscribe&SubscriptionArn=arn:1",
        f"{HOST}/?Action=ConfirmSubscription&Action=Unsubscribe",
        f"{HOST}/else?Action=ConfirmSubscription",
        f"{HOST}/?Action=ConfirmSubscription#\r\nHost: evil.example",
        "",
    ],
)
def test_subscribe_url_that_is_not_amazons_is_refused(
    knock: Door, amazon: Amazon, cloudwatch: Integration, url: str, required: bool
) -> None:
    Integration.objects.update(signature_required=required)

    response = send(knock, cloudwatch, amazon.message("SubscriptionConfirmation", SubscribeURL=url))

    assert "SubscribeURL" in refusal(response)
    assert amazon.asked == []


def test_redirect_of_a_confirmation_is_not_followed(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    message = amazon.message("SubscriptionConfirmation")
    path = message["SubscribeURL"].removeprefix(amazon.origin)
    amazon.pages[path] = (302, b"", {"Location": f"{amazon.origin}/elsewhere"})

    response = send(knock, cloudwatch, message)

    assert "not confirmed" in ignored(response)
    assert "/elsewhere" not in amazon.asked


def test_confirmation_that_amazon_refuses_is_said(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    message = amazon.message("SubscriptionConfirmation")
    amazon.pages[message["SubscribeURL"].removeprefix(amazon.origin)] = (403, b"", {})

    response = send(knock, cloudwatch, message)

    assert "Amazon answered 403" in ignored(response)


def test_confirmation_is_sent_again_when_amazon_is_in_trouble(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    message = amazon.message("SubscriptionConfirmation")
    amazon.pages[message["SubscribeURL"].removeprefix(amazon.origin)] = (500, b"", {})

    response = send(knock, cloudwatch, message)

    assert response.status_code == 503


def test_forged_confirmation_confirms_nothing_though_waived(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    Integration.objects.update(signature_required=False)
    message = amazon.message("SubscriptionConfirmation") | {"TopicArn": "arn:aws:sns:x:1:evil"}

    response = send(knock, cloudwatch, message)

    assert "was not confirmed" in ignored(response)
    assert amazon.asked == [CERTIFICATE]


def test_replay_neither_checks_nor_confirms(
    knock: Door, amazon: Amazon, cloudwatch: Integration
) -> None:
    message = amazon.message("SubscriptionConfirmation", Timestamp=ago(days=3))
    arrival = Arrival(
        owner=owner_of(cloudwatch),
        kind="cloudwatch",
        body=json.dumps(message).encode(),
        via="replay",
    )

    reception = receive_sync(arrival)

    assert reception.verdict == "ignored"
    assert amazon.asked == []
