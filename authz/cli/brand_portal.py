from __future__ import annotations

from typing import Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show
from authz.errors import NotFound


@click.group()
def portal() -> None:
    """Pages where people see their records at a brand."""


@portal.command()
@click.argument("brand_id")
@click.option("--url", required=True, help="Where people sign in, https.")
@click.option("--name", help="As people know it.")
@click.option("--description", help="For whom it is, if a brand has several.")
@click.option("--logo", help="Its address, https.")
@click.option("--logo-license", help="The terms for using the logo, https.")
@click.option("--endpoint", "endpoints", multiple=True, help="A FHIR server of the brand that has the same records.")
@json_option
def add(brand_id: str, **given: Any) -> None:
    """Add a portal, or replace the one of the same address."""
    said = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items() if v is not None}
    with services() as made, made.db.write() as session:
        others = [one for one in made.brands.get(session, brand_id).portals if one["url"] != said["url"]]
        changed = made.brands.update(session, brand_id, {"portals": [*others, said]})
        detail = {"brand": brand_id, "portal": said["url"]}
        record(made, session, EventName.BRANDS_CHANGED, "portal_added", detail=detail)
    show({"id": brand_id, "portals": list(changed.portals)})


@portal.command()
@click.argument("brand_id")
@click.argument("url")
@json_option
def remove(brand_id: str, url: str) -> None:
    """Forget a portal."""
    with services() as made, made.db.write() as session:
        known = made.brands.get(session, brand_id).portals
        others = [one for one in known if one["url"] != url]
        if len(others) == len(known):
            raise NotFound(f"{url}: {brand_id} has no portal of this address")
        made.brands.update(session, brand_id, {"portals": others})
        detail = {"brand": brand_id, "portal": url}
        record(made, session, EventName.BRANDS_CHANGED, "portal_removed", detail=detail)
    show({"id": brand_id, "portals": others})
