"""``authz user identify|unidentify``: as whom a person is known at a sign-in provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show
from authz.cli.people import the_user
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.users.sign_ins import end_sign_ins
from authz.users.upstream import UpstreamIdentity

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_SUBJECT = 255


@click.command()
@click.argument("name")
@click.argument("provider")
@click.argument("subject")
@json_option
def identify(name: str, provider: str, subject: str) -> None:
    """Say as whom (the sub of its id_tokens) a person comes from a provider: before they first do, or that it is so."""
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise InvalidValue(f"a subject is 1 to {MAX_SUBJECT} printable characters")
    with services() as made:
        sub = the_user(made, name).sub
        found = made.at_provider.federation.providers.get(provider)
        if found is None:
            raise NotFound(f"{provider}: there is no sign-in provider of this name")
        known = UpstreamIdentity(found.issuer, subject, found.name, {}, made.now())
        with made.db.write() as session:
            if not made.at_provider.federation.identities.confirm(session, sub, known):
                raise AlreadyExists(f"{subject}: somebody is this already, or {name} is somebody else there")
            record(made, session, EventName.USER_CHANGED, "identified", sub=sub, detail={"provider": provider})
    show({"sub": sub, "provider": provider, "issuer": found.issuer, "subject": subject})


@click.command()
@click.argument("name")
@json_option
def unidentify(name: str) -> None:
    """Forget as whom a person comes from any provider; they are signed out, everything they granted is revoked."""
    with services() as made:
        sub = the_user(made, name).sub
        forgotten: list[int] = []

        def change(session: Session) -> None:
            forgotten.append(made.at_provider.federation.identities.detach(session, sub))
            end_sign_ins(session, sub, made.now())
            record(made, session, EventName.USER_CHANGED, "unidentified", sub=sub)

        revoked = made.revocation.revoke_user(sub, "user_unidentified", within=change)
    show({"sub": sub, "forgotten": forgotten[0], "revoked_grants": revoked})
