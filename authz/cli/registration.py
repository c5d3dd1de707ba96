"""``authz registration``: what a reviewer does, at the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from authz.cli.client_scopes import use
from authz.cli.context import operator, services
from authz.cli.options import options
from authz.cli.output import json_option, show, show_list
from authz.cli.registration_issuer import issuer
from authz.cli.registration_token import token
from authz.fhir_servers.url import FHIR_USER_TYPES
from authz.registration.decision import Reviewer, Terms
from authz.registration.model import State
from authz.scopes import ScopeSet
from authz.tokens.uses import granted_scopes, requested_since

COLUMNS = ("client_id", "client_name", "lane", "state", "needs_decision", "created_at", "approves_at")
UNUSED = ("client_id", "scope", "requested", "last_granted")

SEEN = "The number that show gave: refuse if more has happened since."
seen_option = click.option("--seen", type=int, help=SEEN)
must_have_seen = click.option("--seen", type=int, required=True, help=SEEN)  # nothing unseen is approved
reason_option = click.option("--reason", required=True, help="The vendor reads it.")
note_option = click.option("--note", default="", help="The vendor reads it.")
terms_options = options(
    click.option("--scope", help="Less than the app asked for."),
    click.option("--user-type", "user_types", multiple=True, type=click.Choice(sorted(FHIR_USER_TYPES))),
    click.option("--fhir-server", "fhir_servers", multiple=True, help="Where it may be used; repeatable."),
    click.option("--required-scope", help="What of the scope the app can not work without."),
)


@click.group()
def registration() -> None:
    """Apps that register themselves: review, initial access tokens, trusted issuers of software statements."""


for command in (issuer, token):
    registration.add_command(command)


@registration.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]))
@click.option("--undecided", is_flag=True, help="Those about which somebody has to decide.")
@json_option
def list_(state: str | None, *, undecided: bool) -> None:
    """List the apps that registered themselves, the oldest first."""
    with services() as made:
        found = made.registration.review.list(State(state) if state else None, undecided=undecided)
    show_list([one.summary() for one in found], COLUMNS)


@registration.command("show")
@click.argument("client_id")
@json_option
def show_(client_id: str) -> None:
    """Show one with its metadata, its history, what the automatic checks found and what change is proposed."""
    with services() as made:
        show(made.registration.review.show(client_id).as_dict())


@registration.command()
@click.argument("client_id")
@json_option
def check(client_id: str) -> None:
    """Check an app now, and show what was found: addresses, keys, pages, scopes, names."""
    with services() as made:
        found = made.registration.checks.check(client_id)
    show({"client_id": client_id, **found.as_dict()})


@registration.command()
@click.argument("client_id")
@terms_options
@note_option
@must_have_seen
@json_option
def approve(client_id: str, note: str, seen: int, **given: Any) -> None:
    """Approve an app, on narrower terms if you give any."""
    terms = Terms(**{name: value or None for name, value in given.items()})
    with services() as made:
        made.registration.review.approve(client_id, by(), terms, note, seen)
        show(made.registration.review.show(client_id).as_dict())


@registration.command()
@click.argument("client_id")
@reason_option
@seen_option
@json_option
def decline(client_id: str, reason: str, seen: int | None) -> None:
    """Decline an app; an approval that it had is taken back, and all that it was granted ends."""
    with services() as made:
        revoked = made.registration.review.decline(client_id, by(), reason, seen)
    show({"client_id": client_id, "state": State.DECLINED.value, "revoked_grants": revoked})


@registration.command()
@click.argument("client_id")
@reason_option
@seen_option
@json_option
def hold(client_id: str, reason: str, seen: int | None) -> None:
    """Stop the approval that would come by itself, or take it back; a person decides then."""
    with services() as made:
        revoked = made.registration.review.hold(client_id, by(), reason, seen)
    show({"client_id": client_id, "state": State.HELD.value, "revoked_grants": revoked})


@registration.command("approve-change")
@click.argument("client_id")
@note_option
@must_have_seen
@json_option
def approve_change(client_id: str, note: str, seen: int) -> None:
    """Make an app what its vendor proposed; its approval stays."""
    with services() as made:
        revoked = made.registration.proposals.apply(client_id, by(), seen, note)
        show(made.registration.review.show(client_id).as_dict() | {"revoked_grants": revoked})


@registration.command("refuse-change")
@click.argument("client_id")
@reason_option
@seen_option
@json_option
def refuse_change(client_id: str, reason: str, seen: int | None) -> None:
    """Leave an app as it is, whatever its vendor proposed."""
    with services() as made:
        made.registration.proposals.refuse(client_id, by(), reason, seen)
        show(made.registration.review.show(client_id).as_dict())


@registration.command("renew-token")
@click.argument("client_id")
@json_option
def renew_token(client_id: str) -> None:
    """Make a new registration access token for a vendor who has lost theirs, shown once; the old one ends."""
    with services() as made:
        renewed = made.registration.registrations.renew_token(client_id, by())
    show({"client_id": client_id, "registration_access_token": renewed})


@registration.command()
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 3650))
@json_option
def unused(days: int) -> None:
    """List what apps are registered for and have not been granted for so long, and whether they asked."""
    lines = []
    with services() as made:
        since = made.now() - timedelta(days=days)
        with made.db.read() as session:
            for client in made.clients.all():
                asked = ScopeSet.parse(" ".join(requested_since(session, client.client_id, since)))
                for one in use(client.scope, granted_scopes(session, client.client_id)):
                    if one["last_granted"] is None or one["last_granted"] < since.isoformat():
                        requested = bool(ScopeSet.parse(one["scope"]).narrow_to(asked))
                        last = one["last_granted"]
                        line = {"client_id": client.client_id, "scope": one["scope"], "requested": requested}
                        lines.append(line | {"last_granted": last})
    show_list(lines, UNUSED)


def by() -> Reviewer:
    return Reviewer(operator())
