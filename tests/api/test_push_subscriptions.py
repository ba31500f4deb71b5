"""Browsers that are pushed to, over the REST API."""

from django.conf import settings

from notifications.models import ContactMethod
from tests.api.asking import Asker, code_of, fields_of
from tests.api.matrix import BROWSER
from tests.factories import ContactMethodFactory

PLACE = "me/push-subscriptions"


def test_the_key_is_what_browsers_subscribe_with(carol: Asker) -> None:
    assert carol.get(f"{PLACE}/key").json() == {"public_key": settings.VAPID_PUBLIC_KEY}


def test_a_subscription_becomes_a_contact_method(carol: Asker) -> None:
    made = carol.post(PLACE, BROWSER).json()

    method = ContactMethod.objects.get(user=carol.user, channel="push")
    assert made["id"] == method.pk
    assert (method.address, method.label) == (BROWSER["endpoint"], "Firefox")
    assert "keys" not in made


def test_the_same_browser_again_is_no_second_one(carol: Asker) -> None:
    first, second = (carol.post(PLACE, BROWSER).json() for _ in range(2))

    assert first["id"] == second["id"]


def test_wrong_keys_are_named(carol: Asker) -> None:
    response = carol.post(PLACE, BROWSER | {"keys": {"p256dh": "AAAA", "auth": "AAAA"}})

    assert set(fields_of(response)) == {"p256dh", "auth"}


def test_an_endpoint_in_plain_text_is_refused(carol: Asker) -> None:
    response = carol.post(PLACE, BROWSER | {"endpoint": "http://push.example.com/abc"})

    assert set(fields_of(response)) == {"endpoint"}


def test_a_browser_of_somebody_else_with_other_keys_is_not_taken_over(
    carol: Asker, bob: Asker
) -> None:
    ContactMethodFactory(
        user=bob.user, channel="push", address=BROWSER["endpoint"], secret='{"p256dh": "other"}'
    )

    response = carol.post(PLACE, BROWSER)

    assert code_of(response) == "conflict"
    assert ContactMethod.objects.get(channel="push").user == bob.user
