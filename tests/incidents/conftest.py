"""The cast of the page tests, for every test of this folder."""

from tests.incidents.cast import (
    alice,
    bob,
    carol,
    checkout,
    eve,
    outage,
    payments,
    secret,
    typo,
    wiki,
)

__all__ = [
    "alice",
    "bob",
    "carol",
    "checkout",
    "eve",
    "outage",
    "payments",
    "secret",
    "typo",
    "wiki",
]
