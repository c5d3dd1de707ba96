"""django-oauth-toolkit with one middleware, for Content-Length; its clients' secrets are not hashed.

By itself it hashes them with a million rounds of PBKDF2, for each request. ``PEER`` as for the other peers. Runs in a
virtual environment of its own.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from urllib.parse import unquote, urlsplit

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

PEER = json.loads(os.environ["PEER"])
SCOPE = "openid offline_access patient/*.rs"
KEY = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
place = urlsplit(PEER["database_url"])
settings.configure(
    SECRET_KEY=secrets.token_hex(),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": place.path.strip("/"),
            "USER": unquote(place.username or ""),
            "PASSWORD": unquote(place.password or ""),
            "HOST": place.hostname,
            "PORT": place.port,
            "CONN_MAX_AGE": None,
        }
    },
    OAUTH2_PROVIDER={
        "SCOPES": {name: name for name in [*SCOPE.split(), "system/*.rs", "introspection"]},
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": KEY.decode(),
        "OIDC_ISS_ENDPOINT": f"{PEER['issuer']}/o",
        "ROTATE_REFRESH_TOKEN": True,
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402  after setup
from django.core.management import call_command  # noqa: E402  after setup
from django.core.wsgi import get_wsgi_application  # noqa: E402  after setup
from django.db import connection  # noqa: E402  after setup
from django.http import HttpRequest, JsonResponse  # noqa: E402  after setup
from django.urls import include, path  # noqa: E402  after setup
from django.utils import timezone  # noqa: E402  after setup
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken  # noqa: E402  after setup


def begin(_request: HttpRequest, count: int) -> JsonResponse:
    """Not measured: what the lanes begin with."""
    alice, app = User.objects.get(), Application.objects.get(client_id="app")
    about = {"user": alice, "application": app}
    expires, found = timezone.now() + timedelta(hours=1), []
    for _ in range(count + 1):
        token = AccessToken.objects.create(
            token=secrets.token_urlsafe(32), expires=expires, scope="offline_access patient/*.rs", **about
        )
        found.append(RefreshToken.objects.create(token=secrets.token_urlsafe(32), access_token=token, **about))
    return JsonResponse({"token": found[0].access_token.token, "refreshTokens": [one.token for one in found[1:]]})


def mint(_request: HttpRequest, count: int) -> JsonResponse:
    """Not measured: codes as a browser would get them."""
    verifier, codes = secrets.token_urlsafe(48), [secrets.token_urlsafe(32) for _ in range(count)]
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    about = {"user": User.objects.get(), "application": Application.objects.get(client_id="app"), "scope": SCOPE}
    about |= {"expires": timezone.now() + timedelta(seconds=60), "redirect_uri": PEER["callback"]}
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    Grant.objects.bulk_create(Grant(code=code, **about, **proof) for code in codes)
    return JsonResponse([[code, verifier] for code in codes], safe=False)


urlpatterns = [
    path("begin/<int:count>", begin),
    path("mint/<int:count>", mint),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]

call_command("migrate", verbosity=0)
User.objects.create(username="alice")
for name, (secret, (grant_type, *_)) in PEER["clients"].items():
    Application.objects.create(
        client_id=name,
        client_secret=secret,
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=grant_type.replace("_", "-"),
        redirect_uris=PEER["callback"],
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )
connection.close()  # nothing is open when the worker is forked
application = get_wsgi_application()
