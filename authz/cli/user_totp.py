from __future__ import annotations

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show
from authz.cli.people import the_user
from authz.errors import InvalidValue


@click.command()
@click.argument("name")
@click.option("--remove", is_flag=True, help="Ask this person for no code any more; recovery codes go as well.")
@json_option
def totp(name: str, *, remove: bool) -> None:
    """Give a person a second factor: shows once what they put into an authenticator app, and recovery codes.

    Given again, what they had before is good no more. They are signed out.
    """
    with services() as made:
        found = the_user(made, name)
        if not found.has_password:
            raise InvalidValue(f"{name}: has no password, so no second factor is asked for")
        shown: dict[str, object] = {"sub": found.sub, "name": found.name}
        with made.db.write() as session:
            if remove:
                removed = made.second_factor.remove(session, found.sub)
                if removed:
                    record(made, session, EventName.USER_CHANGED, "second_factor_removed", sub=found.sub)
                shown |= {"removed": removed}
            else:
                enrolment = made.second_factor.enrol(session, found)
                record(made, session, EventName.USER_CHANGED, "second_factor_set", sub=found.sub)
                shown |= {"otpauth_uri": enrolment.uri, "recovery_codes": list(enrolment.recovery_codes)}
        show(shown)
