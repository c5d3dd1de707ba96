from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show
from authz.clients.logo import MAX_BYTES
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from typing import BinaryIO


@click.command()
@click.argument("client_id")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--remove", is_flag=True, help="Show none any more.")
@json_option
def logo(client_id: str, file: BinaryIO | None, *, remove: bool) -> None:
    """Show a logo of an app where people are asked: a PNG, JPEG or WebP of at most 64 KB and 512 pixels.

    Look at it first: what an app itself says of its logo (logo_uri) is never fetched nor shown.
    """
    if (file is None) is not remove:
        raise InvalidValue("give either a file or --remove")
    content = None if file is None else file.read(MAX_BYTES + 1)
    with services() as made, made.db.write() as session:
        version = made.client_logos.upload(session, client_id, content)
        what = "logo_set" if content is not None else "logo_removed"
        record(made, session, EventName.CLIENT_CHANGED, what, client_id=client_id)
    show({"client_id": client_id, "logo": version})
