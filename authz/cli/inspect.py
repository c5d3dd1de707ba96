from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show, show_list, wants_json
from authz.errors import Unavailable
from authz.support.timeline import Story, hidden, step, tell

if TYPE_CHECKING:
    from datetime import datetime

    from authz.services import Services

STEPS = ("at", "what", "outcome", "reason", "client_id", "sub", "patient", "support_code", "detail")
TOKENS = ("jti", "issued_at", "expires_at", "revoked_at", "last_introspected")
NOT_RECORDED = (
    "last_introspected is known to about a minute and for a day, from the short-lived store; single introspections are"
    " not recorded"
)


@click.command()
@click.argument("launch_id", metavar="LAUNCH_ID|GRANT_ID|SUPPORT_CODE")
@click.option("--show-patient", is_flag=True, help="Show the patient's id too.")
@json_option
def inspect(launch_id: str, *, show_patient: bool) -> None:
    """Tell one launch from the EHR's call to the last refresh: each step, each refusal with its reason.

    An app that was opened by itself is found by a grant id or a support code. No secret is shown. Whoever looks is on
    the audit trail.
    """
    with services() as made:
        with made.db.read() as session:
            story = tell(session, launch_id)
        with made.db.write() as session:
            about = {"launch": launch_id, "show_patient": show_patient}
            record(made, session, EventName.AUDIT_READ, "launch", detail=about)
        told = as_record(story, last_seen(made, story), show_patient=show_patient)
    if wants_json():
        show(told)
        return
    show_list(told["steps"], STEPS)
    for grant in told["grants"]:
        click.echo()
        show({name: value for name, value in grant.items() if name != "access_tokens"})
        show_list(grant["access_tokens"], TOKENS)
    click.echo(f"\n{NOT_RECORDED}.")


def last_seen(made: Services, story: Story) -> dict[str, datetime] | None:
    """When each access token was last asked about; None if the short-lived store can't be asked."""
    try:
        return made.last_seen.of([token.digest for token in story.access_tokens])
    except Unavailable:
        return None


def as_record(story: Story, seen: dict[str, datetime] | None, *, show_patient: bool) -> dict[str, Any]:
    return {
        "launch_ids": list(story.launch_ids),
        "launch_state": story.launch_state,
        "steps": [step(row, with_people=show_patient) for row in story.records],
        "grants": [
            {
                "grant_id": grant.id,
                "client_id": grant.client_id,
                "sub": grant.sub,
                "fhir_server": grant.fhir_server,
                "patient": grant.context.get("patient") if show_patient else hidden(grant.context.get("patient")),
                "scope": grant.scope,
                "created_at": grant.created_at.isoformat(),
                "revoked_at": moment(grant.revoked_at),
                "revoked_reason": grant.revoked_reason,
                "refresh_tokens": sum(token.grant_id == grant.id for token in story.refresh_tokens),
                "access_tokens": [
                    {
                        "jti": token.jti,
                        "issued_at": moment(token.issued_at),
                        "expires_at": moment(token.expires_at),
                        "revoked_at": moment(token.revoked_at),
                        "last_introspected": "unknown" if seen is None else moment(seen.get(token.digest)),
                    }
                    for token in story.access_tokens
                    if token.grant_id == grant.id
                ],
            }
            for grant in story.grants
        ],
        "introspection": NOT_RECORDED,
    }


def moment(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
