from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import first_line, record, services, the_fhir_server
from authz.cli.output import json_option, show, show_list
from authz.cli.people import as_record, become, fhir_server_option, reference_at, the_user
from authz.cli.representation import represent, stop_representing
from authz.cli.user_explain import explain
from authz.cli.user_identity import identify, unidentify
from authz.cli.user_totp import totp
from authz.consent.withdraw import withdraw_all
from authz.users.user import ADMINISTRATOR

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.services import Services

COLUMNS = ("sub", "name", "display_name", "fhirUser", "enabled")

password_option = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")

role_option = click.option(
    "--role",
    type=click.Choice([ADMINISTRATOR, "none"]),
    help="An administrator decides about apps at /admin, with a second factor (authz user totp).",
)


@click.group()
def user() -> None:
    """People who sign in."""


@user.command()
@click.argument("name")
@click.option("--display-name", default="", help="As apps and people read it; default: the name.")
@click.option("--fhir-user", default="", help="Which FHIR resource this person is, such as Practitioner/prac-1.")
@fhir_server_option
@role_option
@password_option
@click.option("--sandbox", is_flag=True, default=None, help="A test account: apps that are not approved work for it.")
@json_option
def add(
    name: str, display_name: str, fhir_user: str, fhir_server: str | None, *, password_stdin: bool, **given: Any
) -> None:
    """Add a person; without a password they come by a launch only."""
    password = first_line() if password_stdin else None
    with services() as made:
        server = the_fhir_server(made, fhir_server) if fhir_user else None
        with made.db.write() as session:
            added = made.users.add(session, name, display_name)
            if server is not None:
                made.users.link(session, added.sub, server.name, reference_at(server, fhir_user))
            describe(made, session, added.sub, given)
            if password is not None:
                made.passwords.set_password(session, added.sub, password)
            record(made, session, EventName.USER_CREATED, "added", sub=added.sub)
        show(as_record(made, added.sub))


@user.command("list")
@json_option
def list_() -> None:
    """List the people."""
    with services() as made:
        show_list([as_record(made, found.sub) for found in made.users.all()], COLUMNS)


@user.command("show")
@click.argument("name")
@json_option
def show_(name: str) -> None:
    """Show one person, by name or sub."""
    with services() as made:
        show(as_record(made, the_user(made, name).sub))


@user.command()
@click.argument("name")
@click.option("--display-name", help="As apps and people read it.")
@click.option(
    "--fhir-user", default="", help="Which FHIR resource this person is; what they granted as another is revoked."
)
@fhir_server_option
@role_option
@click.option("--sandbox/--no-sandbox", default=None, help="A test account; what it granted before is revoked.")
@json_option
def update(name: str, display_name: str | None, fhir_user: str, fhir_server: str | None, **given: Any) -> None:
    """Change what is given."""
    with services() as made:
        sub = the_user(made, name).sub
        server = the_fhir_server(made, fhir_server) if fhir_user else None
        changed = {"display_name": display_name, "fhir_user": fhir_user or None, **given}

        def change(session: Session) -> None:
            if display_name is not None:
                made.users.rename(session, sub, display_name)
            if server is not None:
                become(made, session, sub, server, reference_at(server, fhir_user))
            describe(made, session, sub, given)
            detail = {"changed": [member for member, value in changed.items() if value is not None]}
            record(made, session, EventName.USER_CHANGED, "updated", sub=sub, detail=detail)

        if server is None and given["sandbox"] is None:
            with made.db.write() as session:
                change(session)
        else:
            made.revocation.revoke_user(sub, "fhir_user_changed" if server else "sandbox_changed", within=change)
        show(as_record(made, sub))


@user.command()
@click.argument("name")
@json_option
def disable(name: str) -> None:
    """Switch a person off; they are signed out and everything they granted is revoked."""
    with services() as made:
        sub = the_user(made, name).sub

        def change(session: Session) -> None:
            made.users.set_enabled(session, sub, enabled=False)
            record(made, session, EventName.USER_CHANGED, "disabled", sub=sub)

        revoked = made.revocation.revoke_user(sub, "user_disabled", within=change)
        show(as_record(made, sub) | {"revoked_grants": revoked})


@user.command()
@click.argument("name")
@json_option
def enable(name: str) -> None:
    """Switch a person on again; what was revoked stays revoked."""
    with services() as made:
        sub = the_user(made, name).sub
        with made.db.write() as session:
            made.users.set_enabled(session, sub, enabled=True)
            record(made, session, EventName.USER_CHANGED, "enabled", sub=sub)
        show(as_record(made, sub))


@user.command()
@click.argument("name")
@json_option
def remove(name: str) -> None:
    """Forget a person; everything they granted is revoked, and their sub is never given again."""
    with services() as made:
        sub = the_user(made, name).sub

        def change(session: Session) -> None:
            made.users.remove(session, sub)
            withdraw_all(session, made.now(), sub=sub)
            record(made, session, EventName.USER_CHANGED, "removed", sub=sub)

        revoked = made.revocation.revoke_user(sub, "user_removed", within=change)
    show({"sub": sub, "removed": True, "revoked_grants": revoked})


@user.command("set-password")
@click.argument("name")
@password_option
@json_option
def set_password(name: str, *, password_stdin: bool) -> None:
    """Give a person a new password; they are signed out and everything they granted is revoked."""
    password = first_line() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with services() as made:
        sub = the_user(made, name).sub

        def change(session: Session) -> None:
            made.passwords.set_password(session, sub, password)
            record(made, session, EventName.USER_CHANGED, "password_set", sub=sub)

        revoked = made.revocation.revoke_user(sub, "password_changed", within=change)
        show(as_record(made, sub) | {"revoked_grants": revoked})


def describe(made: Services, session: Session, sub: str, given: dict[str, Any]) -> None:
    """What this installation says of a person, as far as it was given."""
    if given["role"] is not None:
        made.users.set_role(session, sub, as_role(given["role"]))
    if given["sandbox"] is not None:
        made.users.set_sandbox(session, sub, is_sandbox=given["sandbox"])


def as_role(word: str) -> str | None:
    return None if word == "none" else word


user.add_command(explain)
user.add_command(identify)
user.add_command(unidentify)
user.add_command(represent)
user.add_command(stop_representing)
user.add_command(totp)
