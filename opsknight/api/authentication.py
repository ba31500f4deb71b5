"""Who is asking: an API key in a header, or the session of the pages."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from opsknight.api.errors import AUTHENTICATE
from opsknight.models import ApiKey, User
from opsknight.services.keys import authenticate_key

SCHEMES = ("bearer", "api-key")


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ok_…`, `Authorization: Api-Key ok_…`, or `X-Api-Key: ok_…`.

    A request with a wrong key fails, also when it has a valid session: the sender meant the key.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """The key's owner and the key; None when the request has no key."""
        token = sent_key(request)
        if token is None:
            return None
        key = authenticate_key(token, now=timezone.now())
        if key is None:
            raise AuthenticationFailed(
                "This API key is unknown or revoked, or its owner's account is not active."
            )
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return AUTHENTICATE


def sent_key(request: Request) -> str | None:
    """The key a request carries, whatever it is worth; None when it carries none."""
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() in SCHEMES:
        return value.strip()
    named = request.headers.get("X-Api-Key")
    return named.strip() if named is not None else None
