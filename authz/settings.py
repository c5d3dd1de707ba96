"""Everything an operator can set: read once, checked as a whole, frozen.

Order: ``config/default.toml``, then the TOML file named by ``AUTHZ_CONFIG``, then ``AUTHZ_*`` variables
(``AUTHZ_DATABASE_URL``; ``AUTHZ_DATABASE_URL_FILE`` names a file that holds the value).
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError
from marshmallow import fields as mm

from authz.errors import AuthzError

if TYPE_CHECKING:
    from collections.abc import Mapping

Network = IPv4Network | IPv6Network
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
ROOT = Path(__file__).resolve().parent.parent
PREFIX = "AUTHZ_"
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"})
NOT_SETTINGS = frozenset({"AUTHZ_CONFIG"})
COUNTS = (
    "people_per_address",
    "strangers_megabytes",
    "registrations_per_hour",
    "unapproved_apps",
    "audit_retention_days",
)
MAY_BE_ZERO = frozenset({"refresh_grace_seconds", "registration_hold_seconds"})


class ConfigurationError(AuthzError):
    """The server must not start like this; ``problems`` lists every reason found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    issuer: str
    """Public URL of this server, the OAuth issuer; https except on loopback; may have a path, no trailing slash."""

    database_url: str = "sqlite:///var/authz.sqlite3"
    """SQLAlchemy URL of the truth: ``sqlite:///file`` on one machine, ``postgresql://…`` in production."""

    redis_url: str = ""
    """Short-lived store: ``redis://``, ``rediss://`` or ``redis+sentinel://``; empty = SQLite beside this server."""

    short_lived_path: Path = Path("var/short-lived.sqlite3")
    """File of the short-lived store while ``redis_url`` is empty."""

    keys_dir: Path = Path("keys")
    """Directory of the signing keys (``<kid>.pem``) and ``secrets.json``; no file in it may be readable by others."""

    organization: str = "Health records"
    """Name of the data holder as people read it on the sign-in and consent pages."""

    trusted_proxies: tuple[Network, ...] = ()
    """Networks (CIDR) of proxies: only they may ask ``/forward-auth``, and their ``X-Forwarded-For`` is believed."""

    people_per_address: int = 200
    """How many people may share one address, as behind a hospital's NAT; the limits of an address grow with it."""

    strangers_megabytes: int = 32
    """What strangers may put into the short-lived store in 15 minutes, all together; twice that lies there at most."""

    metrics_networks: tuple[Network, ...] = ()
    """Networks from which ``GET /metrics`` is answered, in Prometheus' format; empty: there is no such address."""

    outbound_networks: tuple[Network, ...] = ()
    """Private networks (CIDR) where addresses that apps register (JWKS, logout) may lie; public ones always may."""

    code_seconds: int = 60
    """Life of an authorization code."""

    launch_seconds: int = 300
    """Life of a launch from the EHR's request to its use."""

    interaction_seconds: int = 900
    """How long a person may take to sign in and decide."""

    session_seconds: int = 28800
    """Life of a browser session at this server."""

    access_token_seconds: int = 3600
    """Life of an access token with a user; at most 3600 (SMART TOK-10)."""

    backend_token_seconds: int = 300
    """Life of a backend service's access token; at most 300 (SMART BKS-08)."""

    break_glass_seconds: int = 900
    """Life of an access token for records that staff opened with a reason (15 minutes); it is not renewed."""

    id_token_seconds: int = 3600
    """Life of an id_token."""

    online_refresh_seconds: int = 14400
    """Life of an ``online_access`` refresh token after it was issued."""

    online_total_seconds: int = 43200
    """Longest life of an ``online_access`` authorization within an EHR session."""

    offline_idle_seconds: int = 7776000
    """Life of an unused ``offline_access`` refresh token (90 days)."""

    offline_total_seconds: int = 31536000
    """Longest life of an ``offline_access`` authorization (365 days)."""

    web_messaging_handle_max_seconds: int = 43200
    """Longest life of a SMART Web Messaging handle; it ends with the session and the grant before (12 h)."""

    refresh_grace_seconds: int = 10
    """How long a refresh token that was just used may be repeated once, for an answer that got lost."""

    consent_seconds: int = 7776000
    """How long a person's decision for an app is remembered (90 days)."""

    representation_grace_seconds: int = 86400
    """How long a FHIR server's word that somebody acts for a patient counts while it can't be asked again (1 day)."""

    offline_reminder_seconds: int = 7776000
    """How often people read, after signing in, which apps go on while they are away (90 days)."""

    consent_kinds: str = ""
    """TOML file that adds, renames or removes kinds of data on the consent page; empty = the built-in ones."""

    translations_dir: str = ""
    """Directory of gettext catalogues that add languages or change words (``<language>/LC_MESSAGES/messages.mo``)."""

    registration_hold_seconds: int = 172800
    """How long a patient-facing app that registered itself waits for its approval (48 hours); 0 = not at all."""

    registrations_per_hour: int = 30
    """Registrations that one address may send in an hour; its network (/24, /48) may send four times as many."""

    unapproved_apps: int = 1000
    """Most apps that registered themselves at one FHIR server, without anybody's word, and are not approved."""

    registration_webhook: str = ""
    """An https address that is told, in signed notices, what happens to apps that register themselves; empty = none."""

    jwks_max_age_seconds: int = 300
    """``Cache-Control: max-age`` of the key set; a next key is published at least this long before it signs."""

    discovery_max_age_seconds: int = 300
    """``Cache-Control: max-age`` of the discovery documents."""

    audit_retention_days: int = 2192
    """How long records of the audit trail are kept before `authz audit purge` removes them (six years)."""

    audit_export: str = ""
    """A second system that is told of every record: a file, ``-`` for standard output, or an https address."""

    audit_export_format: str = "jsonl"
    """``jsonl`` (a record a line) or ``fhir`` (R4 AuditEvent: a line each; at an address a Bundle, IHE ITI-20)."""

    audit_export_token: str = field(default="", repr=False)
    """Bearer token that the address of ``audit_export`` asks for."""

    user_rights: str = ""
    """``package.module:callable`` that makes the site's own ``UserRights``; empty = the FHIR server record's rules."""

    sensitivity: str = ""
    """``package.module:callable`` that makes the site's own ``Sensitivity``; empty = the FHIR server record's lists."""

    log_level: str = "INFO"
    """Level of the structured log: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``."""

    @property
    def is_https(self) -> bool:
        return self.issuer.startswith("https://")

    @property
    def public_path(self) -> str:
        """The path part of the issuer, ``""`` or ``/auth``."""
        return urlsplit(self.issuer).path

    def url(self, path: str) -> str:
        """The public URL of a path of this server."""
        return f"{self.issuer}{path}"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read, check and freeze the settings.

        Raises ConfigurationError naming every problem at once.
        """
        environ = os.environ if environ is None else environ
        problems: list[str] = []
        values = read_values(environ, problems)
        try:
            loaded = schema().load(values)
        except ValidationError as error:
            problems += [f"{name}: {' '.join(map(str, texts))}" for name, texts in sorted(error.messages_dict.items())]
            raise ConfigurationError(problems) from error
        if problems:
            raise ConfigurationError(problems)
        settings = cls(**loaded)
        problems = unsafe(settings, environ)
        if problems:
            raise ConfigurationError(problems)
        return settings


class NetworksField(mm.Field[tuple[Network, ...]]):
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[Network, ...]:
        items = value.split(",") if isinstance(value, str) else value
        try:
            return tuple(ip_network(str(item).strip()) for item in items if str(item).strip())
        except (TypeError, ValueError) as error:
            raise ValidationError("must be a list of networks such as 10.0.0.0/8") from error


class PathField(mm.String):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return Path(str(super()._deserialize(value, *args, **kwargs)))


FIELDS: dict[str, type[mm.Field[Any]]] = {
    "str": mm.String,
    "int": mm.Integer,
    "bool": mm.Boolean,
    "Path": PathField,
    "tuple[Network, ...]": NetworksField,
}


def schema() -> Schema:
    """The marshmallow schema of ``Settings``, one field for each of its fields."""
    made = {f.name: FIELDS[str(f.type)](required=f.default is MISSING) for f in fields(Settings)}
    return Schema.from_dict(dict(made))()


def read_values(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Merge the files and the environment; relative paths of a file are relative to the working directory."""
    values: dict[str, Any] = {}
    default = ROOT / "config" / "default.toml"
    named = environ.get("AUTHZ_CONFIG")
    for path in [p for p in (default, Path(named) if named else None) if p]:
        try:
            values |= tomllib.loads(path.read_text())
        except FileNotFoundError:
            if path is not default:
                problems.append(f"AUTHZ_CONFIG: there is no file {path}")
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {error}")
    known = {f.name for f in fields(Settings)}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known and name.removesuffix("_file") in known:
            name = name.removesuffix("_file")
            if PREFIX + name.upper() in environ:
                problems.append(f"{variable}: {PREFIX}{name.upper()} is set as well; one of them only")
            value = held_by(variable, Path(value), problems)  # noqa: PLW2901  the file's content is the value
        values[name] = value
    return values


def held_by(variable: str, file: Path, problems: list[str]) -> str:
    """What a file holds; nothing is a secret that did not get there, and no wish for the default."""
    try:
        value = file.read_text().strip()
    except OSError as error:
        problems.append(f"{variable}: {error}")
        return ""
    if not value:
        problems.append(f"{variable}: the file is empty")
    return value


def unsafe(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Every reason why a server with these settings must not start."""
    problems = issuer_problems(settings.issuer)
    if environ.get("AUTHLIB_INSECURE_TRANSPORT"):
        problems.append("AUTHLIB_INSECURE_TRANSPORT is set: it switches the TLS check off for the whole process")
    for name, limit in (("access_token_seconds", 3600), ("backend_token_seconds", 300), ("code_seconds", 600)):
        if getattr(settings, name) > limit:
            problems.append(f"{name}: at most {limit}")
    problems += [
        f"{f.name}: must be greater than zero"
        for f in fields(settings)
        if f.name.endswith("_seconds") and f.name not in MAY_BE_ZERO and getattr(settings, f.name) <= 0
    ]
    problems += [f"{name}: must be greater than zero" for name in COUNTS if getattr(settings, name) <= 0]
    if settings.registration_hold_seconds < 0:
        problems.append("registration_hold_seconds: must not be less than zero")
    if not 0 <= settings.refresh_grace_seconds <= 10:  # noqa: PLR2004  decision: at most ten seconds
        problems.append("refresh_grace_seconds: 0 to 10")
    if settings.registration_webhook and not is_safe(settings.registration_webhook):
        problems.append("registration_webhook: must be an https URL; http on loopback only")
    problems += export_problems(settings)
    if settings.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        problems.append("log_level: DEBUG, INFO, WARNING or ERROR")
    if settings.redis_url and settings.redis_url.partition("://")[0] not in REDIS_SCHEMES:
        problems.append("redis_url: must start with redis://, rediss://, unix:// or redis+sentinel://")
    if urlsplit(settings.database_url).scheme.split("+")[0] not in {"sqlite", "postgresql"}:
        problems.append("database_url: must start with sqlite:// or postgresql://")
    return problems


def export_problems(settings: Settings) -> list[str]:
    where, problems = settings.audit_export, []
    if "://" in where and not is_safe(where):
        problems.append("audit_export: must be an https URL; http on loopback only")
    if "://" not in where and where not in {"", "-"} and not Path(where).is_absolute():
        problems.append("audit_export: must be an absolute path, - or an https URL")
    if settings.audit_export_format not in {"jsonl", "fhir"}:
        problems.append("audit_export_format: jsonl or fhir")
    return problems


def is_safe(url: str) -> bool:
    """https, or http that does not leave the machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    )


def issuer_problems(issuer: str) -> list[str]:
    """RFC 8414 §2: https, no query, no fragment; besides: http only on loopback, no trailing slash, no user."""
    parts = urlsplit(issuer)
    problems = []
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        problems.append("issuer: must be an absolute https URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        problems.append("issuer: http is for loopback only; use https")
    if parts.query or parts.fragment or parts.username or parts.password:
        problems.append("issuer: must have no query, fragment or user")
    if issuer.endswith("/"):
        problems.append("issuer: must not end with a slash")
    return problems
