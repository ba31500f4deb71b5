"""Calls to Amazon's APIs: signed with Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from notifications.providers.base import Field, ProviderConfig
from notifications.providers.http import ApiAnswer, call

FIELDS = (
    Field("access_key_id", "Access key ID"),
    Field("secret_access_key", "Secret access key", is_secret=True),
    Field("region", "Region", default="us-east-1", help_text="Such as eu-central-1."),
)
API_URL = Field(
    "api_url",
    "Address of the API",
    is_required=False,
    help_text="Only for endpoints of your own; follows from the region.",
)


def call_amazon(
    method: str,
    path: str,
    *,
    service: str,
    endpoint: str,
    config: ProviderConfig,
    who: str,
    content: bytes = b"",
    content_type: str = "application/json",
) -> ApiAnswer:
    """One signed request; `endpoint` is the name before the region, usually that of the service.

    Raises DeliveryError as `http.call` does.
    """
    # Here, not above: it would cost every process of the installation 0.1 s and 4 MB, and few send
    # by Amazon.
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    region = config["region"]
    base = config["api_url"] or f"https://{endpoint}.{region}.amazonaws.com"
    url = f"{base.rstrip('/')}{path}"
    headers = {"Host": urlsplit(url).netloc} | ({"Content-Type": content_type} if content else {})
    request = AWSRequest(method=method, url=url, data=content, headers=headers)
    credentials = Credentials(config["access_key_id"], config["secret_access_key"])
    SigV4Auth(credentials, service, region).add_auth(request)
    signed: Mapping[str, str] = dict(request.headers.items())
    return call(method, url, who=who, headers=signed, content=content or None)


def error_name(answer: ApiAnswer) -> str:
    """The error of a JSON API, such as MessageRejected; empty when there is none.

    https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
    """
    said = answer.json if isinstance(answer.json, dict) else {}
    named = answer.headers.get("x-amzn-errortype") or said.get("__type") or said.get("code") or ""
    name: str = str(named).partition(":")[0].rpartition("#")[2]
    return name
