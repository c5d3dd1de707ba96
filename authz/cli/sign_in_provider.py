from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName, Peer
from authz.cli.context import MIN_FOREIGN_SECRET, record, replaced, secret_from_stdin, services
from authz.cli.options import options
from authz.cli.output import json_option, show, show_list
from authz.cli.sign_in_rules import map_, mapped, rules, unmap
from authz.errors import NotFound
from authz.login.federated.examine import examine
from authz.login.federated.provider import AUTH_METHODS, BASIC
from authz.login.federated.registry import LISTS, NewProvider

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.login.federated.provider import Provider
    from authz.services import Services

COLUMNS = ("name", "label", "issuer", "enabled")
FINDINGS = ("what", "level", "text")
settings = options(
    click.option("--label", default=None, help='As people read it: "Sign in with …"; default: the name.'),
    click.option("--auth-method", default=None, type=click.Choice(AUTH_METHODS), help=f"Default: {BASIC}."),
    click.option("--scope", "scopes", multiple=True, help="Default: openid profile."),
    click.option("--fhir-server", "fhir_servers", multiple=True, help="Whose people sign in there; default: all."),
    click.option(
        "--fhir-user-claim",
        default=None,
        help="A claim that names the person's FHIR resource, believed: its URL; Practitioner/17 alone counts only if"
        " the provider serves one FHIR server.",
    ),
    click.option("--name-claim", default=None, help="A claim with the person's name; default: name."),
    click.option("--acr", "acr_values", multiple=True, help="One of these a sign-in must reach; default: any will do."),
    click.option("--secret-stdin", is_flag=True, help="Read our secret there from stdin."),
)


@click.group("sign-in-provider")
def sign_in_provider() -> None:
    """The hospital's own OpenID Connect providers, at which people sign in."""


@sign_in_provider.command()
@click.argument("name")
@click.option("--issuer", required=True, help="As the provider spells it, character by character.")
@click.option("--client-id", required=True, help="Ours, as it was registered there.")
@settings
@json_option
def add(name: str, *, secret_stdin: bool, **given: Any) -> None:
    """Add a provider; what has to be registered there is shown."""
    secret = secret_from_stdin(MIN_FOREIGN_SECRET) if secret_stdin else None
    new = NewProvider(name, **changes(given))
    with services() as made:
        with made.db.write() as session:
            provider = made.at_provider.federation.providers.add(session, new, secret)
            told(made, session, "added", name)
        show(as_record(made, provider))


@sign_in_provider.command("list")
@json_option
def list_() -> None:
    """List the providers."""
    with services() as made:
        show_list([as_record(made, one) for one in made.at_provider.federation.providers.all()], COLUMNS)


@sign_in_provider.command()
@click.argument("name")
@click.option(
    "--issuer",
    help="Whoever signed in at the old one is somebody else at the new one: its list (map) is forgotten, and sessions"
    " end as with disable.",
)
@click.option("--client-id", help="Ours, as it was registered there; sessions that began by the old one end.")
@settings
@json_option
def update(name: str, *, secret_stdin: bool, **given: Any) -> None:
    """Change what is given; a list is replaced as a whole, and cleared by one empty value."""
    secret = secret_from_stdin(MIN_FOREIGN_SECRET) if secret_stdin else None
    wanted = changes(given)
    with services() as made:
        with made.db.write() as session:
            before = made.at_provider.federation.providers.get(name)
            provider = made.at_provider.federation.providers.update(session, name, wanted, secret)
            is_left = before is not None and (before.issuer, before.client_id) != (provider.issuer, provider.client_id)
            if before is not None and is_left:
                leave(made, session, before, provider)
            changed = sorted([*wanted, *(["secret"] if secret else [])])
            told(made, session, "updated", name, changed=changed)
        ended = {"ended_sessions": end_sessions(made, name)} if is_left else {}
        show(as_record(made, provider) | ended)


@sign_in_provider.command()
@click.argument("name")
@json_option
def disable(name: str) -> None:
    """Switch a provider off; the sessions that began there end, and with them what apps were given in them."""
    with services() as made:
        with made.db.write() as session:
            provider = made.at_provider.federation.providers.update(session, name, {"enabled": False})
            made.at_provider.federation.sessions.note_leaving(session, provider.issuer)
            told(made, session, "disabled", name)
        show({"name": name, "enabled": False, "ended_sessions": end_sessions(made, name)})


@sign_in_provider.command()
@click.argument("name")
@json_option
def enable(name: str) -> None:
    """Switch a provider on again; people sign in anew."""
    with services() as made, made.db.write() as session:
        made.at_provider.federation.providers.update(session, name, {"enabled": True})
        told(made, session, "enabled", name)
    show({"name": name, "enabled": True})


@sign_in_provider.command()
@click.argument("name")
@json_option
def remove(name: str) -> None:
    """Forget a provider and its lists; sessions end as with disable. Who is who there is kept, should it come again."""
    with services() as made:
        federation = made.at_provider.federation
        with made.db.write() as session:
            provider = federation.providers.remove(session, name)
            federation.sessions.note_leaving(session, provider.issuer)
            federation.rulebook.forget_provider(session, name)
            told(made, session, "removed", name)
        show({"name": name, "removed": True, "ended_sessions": end_sessions(made, name)})


@sign_in_provider.command()
@click.argument("name")
@json_option
def check(name: str) -> None:
    """Ask the provider for its documents and say what is wrong with them; nobody signs in for it."""
    with services() as made:
        provider = made.at_provider.federation.providers.get(name)
        if provider is None:
            raise NotFound(f"{name}: there is no sign-in provider of this name")
        found = examine(provider, made.at_provider.federation.relying_party)
    show_list([{"what": one.what, "level": one.level, "text": one.text} for one in found], FINDINGS)
    if any(one.level == "error" for one in found):
        click.get_current_context().exit(1)


for command in (rules, map_, mapped, unmap):
    sign_in_provider.add_command(command)


def changes(given: dict[str, Any]) -> dict[str, Any]:
    """The members of NewProvider that were given as options."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    return found | {name: replaced(found[name]) for name in LISTS if name in found}


def leave(made: Services, session: Session, before: Provider, after: Provider) -> None:
    """What the one before said of people goes on by nothing: its list, and who is on the way from it."""
    federation = made.at_provider.federation
    federation.sessions.note_leaving(session, before.issuer)
    if before.issuer != after.issuer:
        federation.rulebook.forget_list(session, after.name)


def told(made: Services, session: Session, reason: str, name: str, **detail: Any) -> None:
    record(made, session, EventName.SIGN_IN_PROVIDER_CHANGED, reason, detail={"provider": name, **detail})


def end_sessions(made: Services, name: str) -> int:
    with made.db.read() as session:
        begun = [(row.session_digest, row.sub) for row in made.at_provider.federation.sessions.begun_at(session, name)]
    for session_digest, sub in begun:
        made.sign_out.end_row(session_digest, sub, "provider_switched_off", Peer())
    return len(begun)


def as_record(made: Services, provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "label": provider.label,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "auth_method": provider.auth_method,
        "scopes": list(provider.scopes),
        "fhir_servers": sorted(provider.fhir_servers),
        "fhir_user_claim": provider.fhir_user_claim,
        "name_claim": provider.name_claim,
        "acr_values": list(provider.acr_values),
        "enabled": provider.enabled,
        "redirect_uri": made.at_provider.federation.relying_party.redirect_uri(provider),
        "backchannel_logout_uri": made.settings.url(f"/back-channel-logout/{provider.name}"),
        "jwks_uri": made.settings.url("/jwks"),
    }
