"""Django settings. Environment variables are read here; docs/reference/settings.md lists them."""

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from config import embedded
from config.env import (
    DESTINATION_LIMITS,
    broker_url,
    database_from_url,
    env,
    local_url,
    mail_domain,
    one_of,
    phone_pace,
    provider_settings,
    read_secrets,
    send_limits,
    sns_endpoint,
    vapid_public_key,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Installation ---------------------------------------------------------------------------------
HOME = Path(env.str("OPSKNIGHT_HOME", default=str(BASE_DIR / "var"))).resolve()
BIND = env.str("OPSKNIGHT_BIND", default="127.0.0.1")
PORT = env.int("OPSKNIGHT_PORT", default=8000)
WEB_PROCESSES = env.int("OPSKNIGHT_WEB_PROCESSES", default=min(2, os.cpu_count() or 1))
DEBUG = env.bool("OPSKNIGHT_DEBUG", default=False)
PUBLIC_URL = env.str("OPSKNIGHT_URL", default=local_url(BIND, PORT)).rstrip("/")
if urlsplit(PUBLIC_URL).scheme not in ("http", "https"):
    raise ImproperlyConfigured("OPSKNIGHT_URL must start with http:// or https://.")
ADMIN_EMAIL = env.str("OPSKNIGHT_ADMIN_EMAIL", default="")
ADMIN_PASSWORD = env.str("OPSKNIGHT_ADMIN_PASSWORD", default="")

_secrets = read_secrets(HOME)
SECRET_KEY = _secrets["SECRET_KEY"]
ENCRYPTION_KEYS = [key.strip() for key in _secrets["ENCRYPTION_KEY"].split(",") if key.strip()]
VAPID_PRIVATE_KEY = _secrets["VAPID_PRIVATE_KEY"]
VAPID_PUBLIC_KEY = vapid_public_key(VAPID_PRIVATE_KEY)

# --- Stores ---------------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="") or embedded.database_url(HOME)
DATABASES = {"default": database_from_url(DATABASE_URL)}
REDIS_URL = env.str("REDIS_URL", default="") or embedded.redis_url(HOME)
# Redis pub/sub ignores database numbers: two installations on one Redis differ by this prefix.
REDIS_PREFIX = "opsknight-" + hashlib.sha256(DATABASE_URL.encode()).hexdigest()[:8] + ":"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_PREFIX,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Applications ---------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Only for `manage.py runserver`: importing Twisted slows every other process down.
    *(["daphne"] if DEBUG else []),
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_eventstream",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "lucide",
    "rest_framework",
    "template_partials",
    "opsknight",
    "realtime",
    "incidents",
    "notifications",
    "escalations",
    "config",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "opsknight.middleware.relaxed_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "opsknight.middleware.viewer_time_zone",
    "opsknight.middleware.explained_errors",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "opsknight.web.context.shell",
            ],
        },
    }
]

# --- Sign-in and security -------------------------------------------------------------------------
AUTH_USER_MODEL = "opsknight.User"
LOGIN_URL = "opsknight:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "opsknight:login"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "opsknight.passwords.MixedCharactersValidator"},
]
ALLOWED_HOSTS = [
    *env.list("OPSKNIGHT_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", BIND]),
    urlsplit(PUBLIC_URL).hostname or "localhost",
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "opsknight.web.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = 7 * 24 * 3600
X_FRAME_OPTIONS = "DENY"
if PUBLIC_URL.startswith("https://"):
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many reverse proxies stand before OpsKnight: that many X-Forwarded-For entries are believed.
TRUSTED_PROXIES = env.int("OPSKNIGHT_TRUSTED_PROXIES", default=0)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
# A Redis that is down must not lock people out of the pages.
RATELIMIT_FAIL_OPEN = True
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]

# --- Intake ---------------------------------------------------------------------------------------
INTAKE_MAX_BODY_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = INTAKE_MAX_BODY_BYTES
# How long deliveries are kept, and how many of one integration at most.
DELIVERY_DAYS = env.int("OPSKNIGHT_DELIVERY_DAYS", default=30)
DELIVERIES_PER_INTEGRATION = env.int("OPSKNIGHT_DELIVERIES_PER_INTEGRATION", default=10_000)
# Where deliveries wait while the database is away; on local disk, one folder for a machine.
SPOOL = Path(env.str("OPSKNIGHT_SPOOL", default=str(HOME / "spool")))
SPOOL_MAX_BYTES = env.int("OPSKNIGHT_SPOOL_MAX_MB", default=1024) * 1024 * 1024
# A stand-in that may act as Amazon SNS beside Amazon's own hosts; empty in production.
SNS_ENDPOINT = sns_endpoint(env.str("SNS_ENDPOINT", default=""))

# Mail as a way in: off without a port. Addresses read <key>@<domain>.
MAIL_PORT = env.int("OPSKNIGHT_MAIL_PORT", default=0)
MAIL_BIND = env.str("OPSKNIGHT_MAIL_BIND", default="127.0.0.1")
MAIL_DOMAIN = env.str("OPSKNIGHT_MAIL_DOMAIN", default=mail_domain(PUBLIC_URL))

# --- Channels of notification ---------------------------------------------------------------------
# smtp://user:password@host:587?tls=true ; a message of a channel without any provider goes to the
# sandbox instead.
EMAIL_URL = env.str("EMAIL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="OpsKnight <opsknight@localhost>")
# Accounts at providers that come from the environment, by kind and field; those that administrators
# enter are asked before them. An account without its first field does not exist.
PROVIDERS_FROM_ENV = provider_settings(env)
# Links in SMS: the whole address, a short one that leads on to it, or none.
SMS_LINKS = one_of("SMS_LINKS", env.str("SMS_LINKS", default="full"), ("full", "short", "none"))
# Whether people may answer an SMS or a WhatsApp message.
SMS_REPLIES = env.bool("SMS_REPLIES", default=True)
# Messages a minute to one address, by channel; 0: no limit.
SEND_LIMITS = send_limits(
    "OPSKNIGHT_SEND_LIMITS", env.str("OPSKNIGHT_SEND_LIMITS", default=""), DESTINATION_LIMITS
)
# Messages a minute of a channel in all; none unless set. Accounts at providers have their own.
CHANNEL_LIMITS = send_limits(
    "OPSKNIGHT_CHANNEL_LIMITS", env.str("OPSKNIGHT_CHANNEL_LIMITS", default=""), {}
)
# Further pages of one service to one person are gathered for a second, then for ever longer, up to
# this; 0: each is a message of its own.
BUNDLE_SECONDS = env.int("OPSKNIGHT_BUNDLE_SECONDS", default=30)
# How often a telephone is told of further pages of one service: messages, minutes.
PHONE_PACE = phone_pace(env.str("OPSKNIGHT_PHONE_PACE", default=""))
# An account at a provider, or the host of a webhook, that failed so often in a row is left alone
# for so long; 0: never.
BREAKER_FAILURES = env.int("OPSKNIGHT_BREAKER_FAILURES", default=5)
BREAKER_SECONDS = env.int("OPSKNIGHT_BREAKER_SECONDS", default=30)
# Outgoing webhooks may reach private addresses only where the operator says so.
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)

# --- On call --------------------------------------------------------------------------------------
# The same for the calendars that layers of schedules are read from.
CALENDAR_ALLOW_PRIVATE = env.bool("CALENDAR_ALLOW_PRIVATE", default=False)

# --- Celery ---------------------------------------------------------------------------------------
CELERY_BROKER_URL = broker_url(REDIS_URL)

# --- REST -----------------------------------------------------------------------------------------
# Requests of one key, or of one person with a session.
API_RATE = "600/m"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "opsknight.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["opsknight.api.permissions.ScopedPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["opsknight.api.throttling.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["opsknight.api.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "opsknight.api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "opsknight.api.errors.exception_handler",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OpsKnight API",
    "VERSION": "1",
    "DESCRIPTION": (
        'Every error has one shape: `{"error": {"code", "message", "fields"}}`. '
        "Lists come in pages: follow `next`. Times are ISO 8601 in UTC."
    ),
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": False, "docExpansion": "list"},
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "IncidentStatus": "incidents.models.Incident.Status",
        "UserStatus": "opsknight.models.User.Status",
        "UserRole": "opsknight.models.User.Role",
        "MemberRole": "opsknight.models.TeamMember.Role",
        "IncidentUrgency": "incidents.models.Incident.Urgency",
        "StepUrgency": "escalations.models.PolicyStep.Urgency",
        "DryRunKind": "escalations.foresight.KINDS",
        "Channel": "notifications.models.preferences.Channel",
        "PersonalChannel": "notifications.models.preferences.PERSONAL_CHOICES",
        "PlaceChannel": "notifications.models.preferences.PLACE_CHOICES",
        "MessageState": "notifications.models.Notification.State",
        "ShiftKind": [(kind, kind) for kind in ("layer", "override", "temporary")],
    },
    "PREPROCESSING_HOOKS": ["opsknight.api.schema.without_trailing_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "opsknight.api.schema.with_errors",
        "incidents.api.door_schema.with_door",
    ],
}

# --- Live pages -----------------------------------------------------------------------------------
EVENTSTREAM_CHANNELMANAGER_CLASS = "realtime.access.ChannelManager"
STREAMS_PER_PROCESS = env.int("OPSKNIGHT_STREAMS_PER_PROCESS", default=5000)

# --- Figures for Prometheus -----------------------------------------------------------------------
# Empty: /metrics does not exist.
METRICS_TOKEN = env.str("OPSKNIGHT_METRICS_TOKEN", default="")

# --- Language, time, static files -----------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("OPSKNIGHT_STATIC", default=str(HOME / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.ModuleManifestStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Others' source maps are large and nobody downloads them: collecting takes half the time.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [
    "map",
    "png",
    "jpg",
    "gif",
    "webp",
    "gz",
    "br",
    "woff",
    "woff2",
]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

UNFOLD = {
    "SITE_TITLE": "OpsKnight",
    "SITE_HEADER": "OpsKnight",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("opsknight/img/icon.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("opsknight/img/icon.svg"),
        }
    ],
    "SHOW_VIEW_ON_SITE": False,
    # The brand colour of tokens.css, from light to dark.
    "COLORS": {
        "primary": {
            "50": "#f4f6ff",
            "100": "#ecf0fe",
            "200": "#d3dcfd",
            "300": "#b4c4fc",
            "400": "#9db4ff",
            "500": "#6784ea",
            "600": "#2b50c8",
            "700": "#2342aa",
            "800": "#1e3788",
            "900": "#1c2f6b",
            "950": "#1c2a55",
        }
    },
}

# --- Logs -----------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "filters": {"hide_secrets": {"()": "opsknight.logs.HideSecrets"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["hide_secrets"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django_eventstream": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        # Every command of every mail, with the keys in its addresses.
        "mail.log": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        # The sweeps run every two seconds: a line for each would hide every other line.
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
