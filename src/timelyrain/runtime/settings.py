"""Django settings, read from the environment once. Every variable is documented in docs/operations.md."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

PACKAGE = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("TIMELYRAIN_HOME", "var")).resolve()


def _flag(name: str) -> bool:
    return os.environ.get(name, "") in {"1", "true", "yes"}


def _database(url: str) -> dict[str, Any]:
    """A Django database entry from a libpq URL; a socket directory may stand in `host=`."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "timelyrain.runtime.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": query.pop("port", None) or str(parts.port or ""),
        # Statements are planned once per connection. A pooler in front must keep prepared statements (PgBouncer >= 1.21 does).
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": 3} | query,
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 600,
    }


# The application works under a role that cannot change what is immutable; only `migrate` uses the owner.
_owner = os.environ.get("TIMELYRAIN_DATABASE_URL", "")
_app = os.environ.get("TIMELYRAIN_APP_DATABASE_URL", "") or _owner
DATABASES: dict[str, Any] = (
    {"default": _database(_app)} if _app else {"default": {"ENGINE": "django.db.backends.dummy"}}
)
if _owner:
    DATABASES["owner"] = _database(_owner) | {"TEST": {"MIRROR": "default"}}
DATABASE_ROUTERS: list[str] = []

SIMULATED = _flag("TIMELYRAIN_SIMULATED")
"""True where the outside world is the sandbox: the clock may be moved, nothing is real money."""
SANDBOX_URL = os.environ.get("TIMELYRAIN_SANDBOX_URL", "http://127.0.0.1:8901")
BASE_URL = os.environ.get("TIMELYRAIN_BASE_URL", "http://127.0.0.1:8900")
SHARDS = 16
DAY_CLOSE_PROCESSES = int(os.environ.get("TIMELYRAIN_DAY_CLOSE_PROCESSES", "1"))
RETRAIN_DAY = int(os.environ.get("TIMELYRAIN_RETRAIN_DAY", "0"))
RETRAIN_MINUTES = int(os.environ.get("TIMELYRAIN_RETRAIN_MINUTES", "240"))
RETRAIN_MEMORY_MB = int(os.environ.get("TIMELYRAIN_RETRAIN_MEMORY_MB", "4096"))
DASK_SCHEDULER = os.environ.get("TIMELYRAIN_DASK_SCHEDULER", "")
BUSINESS_TIME_ZONE = "Asia/Shanghai"
JURISDICTION = "cn"
LENDER = {
    "name": os.environ.get("TIMELYRAIN_LENDER_NAME", "及时雨示范消费金融有限公司"),
    "licence": "consumer_finance",
    "licence_no": os.environ.get("TIMELYRAIN_LENDER_LICENCE_NO", "DEMO-L0000H000000001"),
    "complaints": os.environ.get("TIMELYRAIN_LENDER_COMPLAINTS", "400-000-0000"),
}
OUTSIDE_TIMEOUT_SECONDS = float(os.environ.get("TIMELYRAIN_OUTSIDE_TIMEOUT", "8"))
SOURCE_DEADLINE_SECONDS = float(os.environ.get("TIMELYRAIN_SOURCE_DEADLINE", "3"))

DEBUG = False
ALLOWED_HOSTS = os.environ.get("TIMELYRAIN_ALLOWED_HOSTS", "127.0.0.1,localhost,testserver").split(",")
CSRF_TRUSTED_ORIGINS = [BASE_URL]


def _secret_key() -> str:
    if value := os.environ.get("TIMELYRAIN_SECRET_KEY"):
        return value
    from timelyrain.runtime.crypto import local_secret

    return local_secret(HOME / "keys" / "django").hex()


SECRET_KEY = _secret_key()

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",  # serves the API documentation's own scripts instead of a CDN's
    "timelyrain.runtime",
    "timelyrain.audit",
    "timelyrain.ledger",
    "timelyrain.customers",
    "timelyrain.sources",
    "timelyrain.payments",
    "timelyrain.origination",
    "timelyrain.agreements",
    "timelyrain.servicing",
    "timelyrain.api",
    "timelyrain.borrower",
    "timelyrain.console",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "timelyrain.urls"
WSGI_APPLICATION = "timelyrain.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
USE_TZ = True
TIME_ZONE = BUSINESS_TIME_ZONE
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # no collectstatic step between a clone and a running platform

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("TIMELYRAIN_LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
    },
}
