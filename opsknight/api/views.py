"""What every endpoint is built on."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.db.models import Model, QuerySet
from rest_framework.fields import BooleanField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.viewsets import GenericViewSet

from opsknight.api.errors import too_large
from opsknight.models import ApiKey, User
from opsknight.web import client_ip

M = TypeVar("M", bound=Model)
METHODS_WITH_BODY = ("POST", "PUT", "PATCH")


class ConfirmSerializer(Serializer[Any]):
    """The answer to a 409 with the code `needs_confirmation`."""

    confirm = BooleanField(
        default=False, help_text="Do it although it loses something: see the answer 409 without it."
    )


class ApiViewSet(GenericViewSet[Any]):
    """A resource: it names its scopes, gets objects from selectors, and writes by services."""

    read_scope: ClassVar[ApiKey.Scope]
    write_scope: ClassVar[ApiKey.Scope]
    # Ids longer than a bigint are no ids: the address does not exist.
    lookup_value_regex = "[0-9]{1,19}"
    # No OPTIONS: what there is to know of an address is in the OpenAPI document.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]  # noqa: RUF012 — as DRF
    filter_backends: Any = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, check scope and limit, then measure a body that came without a length."""
        super().initial(request, *args, **kwargs)
        measure_body(request)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Answers carry keys and private incidents: nobody on the way may keep them."""
        return {**super().default_response_headers, "Cache-Control": "no-store"}

    @property
    def actor(self) -> User:
        """The person who asks; `ScopedPermission` made sure that there is one."""
        return cast(User, self.request.user)

    @property
    def ip(self) -> str | None:
        """Where the request came from, for the audit log."""
        return client_ip(self.request._request)

    @property
    def is_confirmed(self) -> bool:
        """Whether `?confirm=true` came along; raises ValidationError for what is neither."""
        question = ConfirmSerializer(data=self.request.query_params.dict())
        question.is_valid(raise_exception=True)
        return bool(question.validated_data["confirm"])

    def page_of(
        self, rows: QuerySet[M], serializer: type[BaseSerializer[Any]] | None = None
    ) -> Response:
        """One page of a list."""
        page = self.paginate_queryset(rows)
        build: Callable[..., BaseSerializer[Any]] = serializer or self.get_serializer_class()
        context = self.get_serializer_context()
        return self.get_paginated_response(build(page, many=True, context=context).data)

    def parsed(
        self, serializer: type[BaseSerializer[Any]] | None = None, *, partial: bool = False
    ) -> dict[str, Any]:
        """The checked body; raises ValidationError that names the fields."""
        build: Callable[..., BaseSerializer[Any]] = serializer or self.get_serializer_class()
        form = build(data=self.request.data, partial=partial, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        values: dict[str, Any] = form.validated_data
        return values

    def answer(self, entity: object, status: int = 200) -> Response:
        """One object."""
        return Response(self.get_serializer(entity).data, status=status)


def measure_body(request: Request) -> None:
    """Read a chunked body, which DRF takes for an empty one, and hold it to the same limit."""
    plain = request._request
    if plain.method not in METHODS_WITH_BODY or plain.META.get("CONTENT_LENGTH"):
        return
    size = len(plain.body)
    if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise too_large()
    plain.META["CONTENT_LENGTH"] = str(size)
