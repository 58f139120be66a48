"""One settings file: what differs between installations comes from the environment (`config/env.py`), business
numbers live in each context's `rules.py`. Order: deployment, apps, databases, messaging, accounts, API, logs.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config import env
from contexts.health import catalogue as health_catalogue
from contexts.health import rules as health_rules
from contexts.identity import rules as identity_rules

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.text("STAYER_VAR", str(BASE_DIR / "var")))
env.load(Path(env.text("STAYER_ENVIRONMENT_FILE", str(VAR / "environment"))))

# The contexts. A new one is a folder in contexts/ and a word here; everything else is found by name.
CONTEXTS = ["identity", "health", "workout", "social", "gamification", "booking"]

# --- Deployment -------------------------------------------------------------------------------------------------

DEBUG = False
TESTING = env.flag("TESTING")
DEMO = env.flag("DEMO")
SECRET_KEY = env.text("SECRET_KEY")
FIELD_KEY = env.text("FIELD_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0)
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
HTTPS = env.flag("HTTPS")
PUBLIC_URL = env.text("PUBLIC_URL", "http://localhost:8000").rstrip("/")
"""Where people reach us: links in mails begin with it, passkeys are bound to its host (so it is no IP address)."""
ADMIN_PATH = f"{env.text('ADMIN_PATH', '').strip('/ ') or 'admin'}/"
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 12 * 3600
APPEND_SLASH = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "locale"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Apps -------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config.apps.OperatorsAdmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "kernel",
    *(f"contexts.{name}" for name in CONTEXTS),
]
MIDDLEWARE = [
    "kernel.observability.ObserveRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.Sessions",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.Authentication",
    "config.middleware.StaffSessions",
    "config.middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(VAR / "media")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Cold files: what is too old or too large for a table, encrypted (kernel/objects.py) -------------------------

COLD_STORE = env.cold_store("COLD_STORE")  # empty: a folder beside the media; file:///folder; s3://bucket/prefix
S3_ENDPOINT_URL = env.text("S3_ENDPOINT_URL", "")  # empty: Amazon's
S3_REGION = env.text("S3_REGION", "us-east-1")
S3_ACCESS_KEY_ID = env.text("S3_ACCESS_KEY_ID", "")  # empty: as boto3 finds them (role of the machine, profile)
S3_SECRET_ACCESS_KEY = env.text("S3_SECRET_ACCESS_KEY", "")
COLD_AFTER_MONTHS = env.number("COLD_AFTER_MONTHS", 24)
"""Readings of months that ended so long ago become cold files; 0: never."""
PAYLOADS_KEPT_DAYS = env.number("PAYLOADS_KEPT_DAYS", 0)
"""How long request bodies of devices are kept as they came; 0: not at all."""
PAYLOAD_SPOOL = env.text(
    "PAYLOAD_SPOOL", ""
)  # where they wait, shared by web processes and workers; empty: MEDIA_ROOT
if 0 < COLD_AFTER_MONTHS < health_rules.COLD_AFTER_AT_LEAST:
    raise env.Misconfigured(f"COLD_AFTER_MONTHS is 0 or at least {health_rules.COLD_AFTER_AT_LEAST}.")

# --- Databases: one per context in one cluster ------------------------------------------------------------------

CLUSTER = env.database_url("DATABASE_URL")
STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS = 30_000, 5_000
DATABASE_ROUTERS = ["kernel.databases.ContextRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _database(context: str) -> dict[str, Any]:
    from kernel.databases import LEVELS, isolation_of

    budget = {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": STATEMENT_TIMEOUT_MS,
    }
    return {
        "ENGINE": "kernel.timescale",
        "NAME": f"{CLUSTER.prefix}_{context}",
        "HOST": CLUSTER.host,
        "PORT": CLUSTER.port,
        "USER": CLUSTER.user,
        "PASSWORD": CLUSTER.password,
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "isolation_level": LEVELS[isolation_of(context)],
            "options": " ".join(f"-c {name}={value}" for name, value in budget.items()),
            "application_name": "stayer",
            "pool": {"min_size": 0, "max_size": env.number("DATABASE_POOL", 12), "timeout": 10, "max_idle": 30},
        },
    }


DATABASES = {"default" if name == "identity" else name: _database(name) for name in CONTEXTS}

# --- Messaging --------------------------------------------------------------------------------------------------

REDIS_URL = env.text("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
EVENT_SINKS = ["kernel.relay.InProcess"]
SERVICES_ROUND_TRIP = TESTING
CELERY_BROKER_URL = env.text("BROKER_URL", REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_TIME_LIMIT = 600
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_TIMEOUT = 5
MAILBOX = VAR / "mail"  # of `config.mailbox.MailboxBackend`
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Stayer <no-reply@localhost>")

# --- Accounts and tokens ----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "contexts.identity.passwords.CheapArgon2" if TESTING else "django.contrib.auth.hashers.Argon2PasswordHasher"
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "contexts.identity.passwords.SpecialCharacterValidator"},
    {"NAME": "contexts.identity.passwords.ContextWordsValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "display_name")},
    },
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_RATE_LIMITS = False  # our own limits stand in front, and are exact
MFA_ADAPTER = "contexts.identity.authenticators.EncryptedAuthenticators"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Stayer"

TOKEN_JWKS_URL = env.text("TOKEN_JWKS_URL", "")  # for a context that runs by itself: it verifies and never signs
TOKEN_KEYS = env.text("TOKEN_KEYS", "" if TOKEN_JWKS_URL else None)  # the folder of the key ring
SERVICE_KEYS = env.text("SERVICE_KEYS", "")  # a folder with such a context's own keys: it asks others with them
IDENTITY_URL = env.text("IDENTITY_URL", "")  # where such a context asks whether a session lives
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": "",  # tokens are signed with the ring
    "ISSUER": "stayer",
    "AUDIENCE": "stayer",
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "typ",
    "JTI_CLAIM": "jti",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
}
SESSION_CHECK = env.text(
    "SESSION_CHECK",
    "kernel.service_tokens.session_is_active" if IDENTITY_URL else "contexts.identity.services.session_is_active",
)
SECURITY_POLICY = "contexts.identity.services.get_security_policy"
AUDIT_LOOK = "contexts.identity.services.record_look"
SESSION_CACHED_S = 1 if IDENTITY_URL else 300  # identity writes a revocation into this platform's Redis alone
OAUTH_SCOPES = identity_rules.SCOPES
PASSKEY_RP_ID = env.text("PASSKEY_RP_ID", urlsplit(PUBLIC_URL).hostname)
PASSKEY_ORIGINS = env.words("PASSKEY_ORIGINS", PUBLIC_URL)
OIDC_PROVIDERS = [env.with_secret(known) for known in env.objects("OIDC_PROVIDERS")]
"""`[{"name", "label", "issuer", "client_id", "client_secret" or "client_secret_env"}]`: who vouches for people."""

# --- Payments ---------------------------------------------------------------------------------------------------

PAYMENT_PROVIDER = env.text("PAYMENT_PROVIDER", "sandbox")  # or stripe
PAYMENT_SANDBOX_URL = env.text("PAYMENT_SANDBOX_URL", "http://127.0.0.1:8095")
PAYMENT_API_KEY = env.text("PAYMENT_API_KEY", "")
PAYMENT_WEBHOOK_SECRET = env.text("PAYMENT_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.text("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_API_KEY = env.text("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")

# --- Integrations: vendors whose clouds hold readings -------------------------------------------------------------

INTEGRATIONS = [env.vendor(known) for known in env.objects("INTEGRATIONS")]
"""`[{"name", "client_id", "client_secret" or "client_secret_env", …}]`; contexts/health/README.md has it in full."""
INTEGRATIONS_BACKFILL_DAYS = env.number("INTEGRATIONS_BACKFILL_DAYS", 90)

# --- API --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # What kernel.http.Endpoint does not override denies.
    "DEFAULT_AUTHENTICATION_CLASSES": ["kernel.access.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "kernel.http.handle_exception",
    "UNAUTHENTICATED_USER": "kernel.access.Anonymous",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Stayer",
    "DESCRIPTION": "An open fitness platform: workouts, live heart rate, friends, chat, leaderboards.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {  # fields of one name with different choices
        "SessionStateEnum": "contexts.workout.models.TrainingSession.State",
        "SessionVisibilityEnum": "contexts.workout.models.Visibility",
        "ImportProgressStateEnum": "contexts.workout.models.Import.State",
        "BatchProgressStateEnum": "contexts.workout.models.ImportBatch.State",
        "ScheduledStateEnum": "contexts.workout.models.ScheduledWorkout.State",
        "ExerciseStateEnum": "contexts.workout.models.Exercise.State",
        "PlanVisibilityEnum": "contexts.workout.models.TrainingPlan.Visibility",
        "FieldVisibilityEnum": "contexts.identity.rules.VISIBILITIES",
        "SportEventStatusEnum": "contexts.booking.models.SportEvent.Status",
        "BookingStatusEnum": "contexts.booking.models.Booking.Status",
        "WaitlistStatusEnum": "contexts.booking.models.WaitlistEntry.Status",
        "EventSportEnum": "contexts.booking.rules.SPORTS",
        "SportEnum": "contexts.workout.models.Sport",
        "RoomKindEnum": "contexts.social.models.Room.Kind",
        "DeviceStatusEnum": "contexts.health.models.Status",
        "DeviceKindEnum": list(health_rules.DeviceKind),
        "MetricKindEnum": list(health_catalogue.Kind),
        "ConnectionStateEnum": "contexts.health.models.Connection.State",
        "GrantRoleEnum": ["coach", "doctor"],
        "StreamEnum": "contexts.health.api.readings.METRIC_NAMES",
        "BandStatusEnum": ["normal", "attention", "critical"],
        "AlertStateEnum": "contexts.health.models.Alert.State",
        "DataImportStateEnum": "contexts.health.models.imports.DataImport.State",
        "ImportedFileOutcomeEnum": "contexts.health.models.imports.ImportedFile.Outcome",
        "AlertReasonEnum": "contexts.health.models.CLOSED_BECAUSE",
        "GroupPlaceStateEnum": "contexts.workout.models.GroupPlace.State",
        "AnalysisStateEnum": ["ready", "waiting"],
        "SyncedStateEnum": ["waiting_for_start", "underway", "completed", "deleted"],
        "SampleKindEnum": [
            *("heart_rate", "latitude", "longitude", "altitude", "distance", "speed", "cadence", "power"),
            *("temperature", "steps", "resistance"),
        ],
        "GoalPeriodEnum": "contexts.workout.models.Goal.Period",
        "ProgressPeriodEnum": "contexts.workout.numbers.progress.PERIOD_CHOICES",
        "SexEnum": "contexts.identity.rules.SEXES",
        "PurposeEnum": list(identity_rules.CONSENTS),
        "MembershipEnum": "contexts.identity.rules.MEMBERSHIPS",
        "PaidTierEnum": list(identity_rules.MEMBERSHIPS[1:]),
        "ScopeEnum": list(identity_rules.SCOPES),
        "CoachScopeEnum": "contexts.identity.rules.COACH_SCOPES",
        "ExternalPurposeEnum": "contexts.identity.rules.EXTERNAL_PURPOSES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "service": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`Service <token>`",
            },
            "oauth2": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "/oauth/authorize",
                        "tokenUrl": "/api/v1/identity/oauth/token",
                        "refreshUrl": "/api/v1/identity/oauth/token",
                        "scopes": OAUTH_SCOPES,
                    }
                },
            },
            "deviceSignature": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`Device <device_id>:<unix seconds>:<nonce>:<signature>`; the signature is the "
                "base64url HMAC-SHA256 of method, path, SHA-256 of the body in hex, seconds and nonce, one a line.",
            },
        }
    },
}

# --- Logs: one JSON object a line, with the correlation id and never a person's data ----------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"correlation": {"()": "kernel.observability.CorrelationFilter"}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s %(correlation_id)s",
        }
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["correlation"]},
    },
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},  # refusals are in the access log
        "httpx": {"level": "WARNING"},
        "http.access": {"level": env.text("ACCESS_LOG_LEVEL", "INFO")},
    },
}
