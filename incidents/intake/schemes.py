"""Which vendor signs how, and where its secret comes from.

A vendor that signs every delivery, or whose webhooks have a field for the secret in every version
in use, is checked from the beginning (`is_default`). Where the secret is an extra that a person
must look for, it is offered: Grafana signs since version 12 only, Splunk and Honeycomb when told.
Vendors without signatures can be sent through a script or proxy that signs: the generic scheme.

The APIs whose clients prove themselves by their key alone (PagerDuty's, Opsgenie's), e-mail and
heartbeats have no scheme.
"""

from dataclasses import dataclass
from typing import Final, Literal

from incidents.intake import proofs
from incidents.intake.proofs import Proof, Sign
from incidents.models import Integration

Kind = Integration.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a vendor sends as proof."""

    header: str  # the header of the proof, as the vendor writes it
    where: str  # where the secret stands on the vendor's side
    docs: str = ""  # the vendor's documentation
    proofs: tuple[Proof, ...] = ()  # one that holds is enough
    sign: Sign | None = None  # what the vendor would send: (secret, body) -> headers
    # Who makes the secret: we, and the vendor is told; or it, and we are told. Nobody: Amazon signs
    # with a certificate; what is stored instead is the topic that may send.
    maker: Literal["us", "vendor", "nobody"] = "us"
    is_default: bool = False  # required from the creation of an integration on


_GENERIC: Final = Scheme(
    header="X-Signature",
    where="the script or proxy that signs: hexadecimal HMAC-SHA256 of the body",
    proofs=(proofs.generic_proof,),
    sign=proofs.sign_hex("x-signature"),
)

_SIGNING: Final[dict[str, Scheme]] = {
    Kind.GITHUB: Scheme(
        header="X-Hub-Signature-256",
        where="GitHub: Settings → Webhooks → Secret",
        docs="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
        proofs=(proofs.hex_proof("x-hub-signature-256", prefix="sha256="),),
        sign=proofs.sign_hex("x-hub-signature-256", prefix="sha256="),
        is_default=True,
    ),
    # The token is the secret itself; the signing token of newer versions makes a real signature.
    # Our secret has the form of a signing token, which fits either field.
    Kind.GITLAB: Scheme(
        header="X-Gitlab-Token",
        where="GitLab: Settings → Webhooks → Signing token, in older versions Secret token",
        docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
        proofs=(proofs.standard_proof, proofs.token_proof("x-gitlab-token")),
        sign=proofs.sign_token("x-gitlab-token"),
        is_default=True,
    ),
    Kind.BITBUCKET: Scheme(
        header="X-Hub-Signature",
        where="Bitbucket: Repository settings → Webhooks → Secret",
        docs="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
        proofs=(proofs.hex_proof("x-hub-signature", prefix="sha256="), proofs.generic_proof),
        sign=proofs.sign_hex("x-hub-signature", prefix="sha256="),
        is_default=True,
    ),
    Kind.SENTRY: Scheme(
        header="Sentry-Hook-Signature",
        where="Sentry: Settings → Custom Integrations → your integration → Client Secret",
        docs="https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
        proofs=(proofs.hex_proof("sentry-hook-signature"),),
        sign=proofs.sign_hex("sentry-hook-signature"),
        maker="vendor",
        is_default=True,
    ),
    Kind.VERCEL: Scheme(
        header="x-vercel-signature",
        where="Vercel: shown once, after the webhook is made; an integration's Client Secret",
        docs="https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks",
        proofs=(proofs.hex_proof("x-vercel-signature", "sha1"),),
        sign=proofs.sign_hex("x-vercel-signature", "sha1"),
        maker="vendor",
        is_default=True,
    ),
    Kind.CLOUDWATCH: Scheme(
        header="Signature",
        where="nothing to set up: Amazon signs every message",
        docs="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
        maker="nobody",
        is_default=True,
    ),
    Kind.GRAFANA: Scheme(
        header="X-Grafana-Alerting-Signature",
        where="Grafana 12 and later: Contact point → Optional settings → HMAC Signature → Secret",
        docs=(
            "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/"
            "manage-contact-points/integrations/webhook-notifier/#hmac-signature"
        ),
        proofs=(proofs.grafana_proof, proofs.hex_proof("x-grafana-signature")),
        sign=proofs.sign_hex("x-grafana-alerting-signature"),
    ),
    Kind.SPLUNK_OBSERVABILITY: Scheme(
        header="X-SFX-Signature",
        where="Splunk: Data Management → Webhook integration → Shared secret",
        docs="https://dev.splunk.com/observability/docs/integrations/webhook_integration_overview",
        proofs=(proofs.base64_proof("x-sfx-signature"), proofs.generic_proof),
        sign=proofs.sign_base64("x-sfx-signature"),
    ),
    Kind.HONEYCOMB: Scheme(
        header="X-Honeycomb-Webhook-Token",
        where="Honeycomb: Team settings → Integrations → Webhook → Shared Secret",
        docs="https://docs.honeycomb.io/notify/webhooks",
        proofs=(
            proofs.token_proof("x-honeycomb-webhook-token"),
            proofs.body_token_proof,
            proofs.generic_proof,
        ),
        sign=proofs.sign_token("x-honeycomb-webhook-token"),
    ),
}
_GENERIC_KINDS: Final = (
    Kind.EVENTS,
    Kind.PROMETHEUS,
    Kind.WEBHOOK,
    Kind.APPDYNAMICS,
    Kind.AZURE,
    Kind.BETTER_UPTIME,
    Kind.DATADOG,
    Kind.DYNATRACE,
    Kind.ELASTIC,
    Kind.GOOGLE_CLOUD_MONITORING,
    Kind.ICINGA,
    Kind.NAGIOS,
    Kind.NEWRELIC,
    Kind.PINGDOM,
    Kind.SPLUNK_ONCALL,
    Kind.UPTIME_KUMA,
    Kind.UPTIMEROBOT,
    Kind.ZABBIX,
)
# By Integration.Kind; a kind that is not here has no signatures.
SCHEMES: Final[dict[str, Scheme]] = dict.fromkeys(map(str, _GENERIC_KINDS), _GENERIC) | {
    str(kind): scheme for kind, scheme in _SIGNING.items()
}
