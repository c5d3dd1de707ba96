"""What an administrator says of an app, as options."""

from __future__ import annotations

import json
from typing import Any

import click

from authz.cli.context import replaced
from authz.cli.options import options
from authz.clients.metadata import ABOUT, AUTH_METHODS, GRANT_TYPES
from authz.clients.registry import HospitalDecisions
from authz.errors import InvalidValue
from authz.fhir_servers.url import FHIR_USER_TYPES

DECISIONS = HospitalDecisions.__slots__

metadata_options = options(
    click.option("--auth-method", "token_endpoint_auth_method", type=click.Choice(AUTH_METHODS), help="none: public."),
    click.option("--type", "application_type", type=click.Choice(["web", "native"]), help="web is the default."),
    click.option("--redirect-uri", "redirect_uris", multiple=True, help="Complete and constant; repeatable."),
    click.option("--launch-uri", "launch_uris", multiple=True, help="Where an EHR may start the app; repeatable."),
    click.option("--origin", "allowed_origins", multiple=True, help="Of its pages; default: of the redirect URIs."),
    click.option("--web-messaging-origin", "smart_web_messaging_origins", multiple=True, help="Of pages in an EHR."),
    click.option("--scope", help="The most the app may ask for, separated by spaces."),
    click.option("--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES), help="Repeatable."),
    click.option(
        "--user-type",
        "fhir_user_types",
        multiple=True,
        type=click.Choice(["", *sorted(FHIR_USER_TYPES)]),
        help="Who may use it; default: anybody; repeatable.",
    ),
    click.option("--jwks", type=click.File(), help="A file with the app's public keys."),
    click.option("--jwks-uri", help="Where the app publishes its keys."),
    *(click.option(f"--{name.replace('_', '-')}", name, help="Shown to people.") for name in ABOUT),
    click.option("--contact", "contacts", multiple=True, help="Whom to write to; repeatable."),
    click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="Repeatable."),
    click.option("--backchannel-logout-uri", help="Is told when somebody signs out."),
    click.option(
        "--backchannel-logout-session-required/--no-backchannel-logout-session-required",
        default=None,
        help="It needs the session's sid.",
    ),
    click.option("--fhir-server", "fhir_servers", multiple=True, help="Where it may be used; default: everywhere."),
    click.option("--skip-consent-in-ehr-launch/--no-skip-consent-in-ehr-launch", default=None, help="A vetted app."),
    click.option("--required-scope", help="What of the scope the app can not work without; who unticks it refuses."),
    click.option("--app-state-code", "app_state_codes", multiple=True, help="system|code of state it may keep."),
    click.option("--any-loopback-port/--no-any-loopback-port", default=None, help="For native apps (RFC 8252)."),
)


def members_and_decisions(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was given as options: RFC 7591 members, and what the hospital decides."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    found = {name: replaced(value) if isinstance(value, tuple) else value for name, value in found.items()}
    if "jwks" in found:
        try:
            found["jwks"] = json.load(found["jwks"])
        except ValueError as error:
            raise InvalidValue("--jwks: the file is not JSON") from error
    decisions = {name: found.pop(name) for name in DECISIONS if name in found}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}, decisions
