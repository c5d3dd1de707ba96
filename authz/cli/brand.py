from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.brands.brand import CATEGORIES
from authz.cli.brand_portal import portal
from authz.cli.context import record, replaced, services
from authz.cli.options import assignments, options
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from authz.brands.brand import Brand

COLUMNS = ("id", "name", "website", "endpoints")
ADDRESS_RULE = "an address looks like line=1 Main St;city=Boston;state=MA;postalCode=02115;country=US"

details = options(
    click.option("--website", help="The public web site, https."),
    click.option("--alias", "aliases", multiple=True, help="A further or former name; repeatable."),
    click.option("--identifier", "identifiers", multiple=True, help="system|value; default: made of the web site."),
    click.option("--category", "categories", multiple=True, type=click.Choice([*CATEGORIES, ""]), help="Repeatable."),
    click.option("--address", "addresses", multiple=True, help=ADDRESS_RULE.removeprefix("an address looks like ")),
    click.option("--logo", help="Its address, https; a PNG of 1024 pixels without background is best."),
    click.option("--logo-license", help="The terms for using the logo, https."),
    click.option("--part-of", help="The brand that provides the access; it is no part of another."),
    click.option("--endpoint", "endpoints", multiple=True, help="Name of a FHIR server; repeatable."),
    click.option("--primary-for", multiple=True, help="The FHIR server whose own brand this is, if it has several."),
    click.option(
        "--absent", multiple=True, help="logo=asked-declined or asked-unknown; also address, category, website."
    ),
)


@click.group()
def brand() -> None:
    """Organisations whose records people share, as apps list them (user-access brands)."""


brand.add_command(portal)


@brand.command()
@click.argument("brand_id")
@click.option("--name", required=True, help="As people know it.")
@details
@json_option
def add(brand_id: str, **given: Any) -> None:
    """Add a brand; nobody sees it before it is published."""
    with services() as made, made.db.write() as session:
        added = made.brands.add(session, brand_id, changes(given))
        record(made, session, EventName.BRANDS_CHANGED, "added", detail={"brand": brand_id})
    show(as_record(added))


@brand.command()
@click.argument("brand_id")
@click.option("--name", help="As people know it.")
@details
@json_option
def update(brand_id: str, **given: Any) -> None:
    """Change what is given; a list is replaced as a whole, and cleared by one empty value."""
    wanted = changes(given)
    with services() as made, made.db.write() as session:
        changed = made.brands.update(session, brand_id, wanted)
        detail = {"brand": brand_id, "changed": sorted(wanted)}
        record(made, session, EventName.BRANDS_CHANGED, "updated", detail=detail)
    show(as_record(changed))


@brand.command("list")
@json_option
def list_() -> None:
    """List the brands."""
    with services() as made, made.db.read() as session:
        show_list([as_record(one) for one in made.brands.all(session)], COLUMNS)


@brand.command("show")
@click.argument("brand_id")
@json_option
def show_(brand_id: str) -> None:
    """Show one brand."""
    with services() as made, made.db.read() as session:
        show(as_record(made.brands.get(session, brand_id)))


@brand.command()
@click.argument("brand_id")
@json_option
def remove(brand_id: str) -> None:
    """Forget a brand; apps see it until the next publication."""
    with services() as made, made.db.write() as session:
        made.brands.remove(session, brand_id)
        record(made, session, EventName.BRANDS_CHANGED, "removed", detail={"brand": brand_id})
    show({"id": brand_id, "removed": True})


@brand.command()
@json_option
def check() -> None:
    """Say what would keep the brands from being published."""
    with services() as made, made.db.read() as session:
        problems = made.brands.catalogue(session).problems()
    if problems:
        raise InvalidValue("; ".join(problems))
    show({"publishable": True})


@brand.command()
@json_option
def publish() -> None:
    """Put the brands where apps read them, and name them in the FHIR servers' documents."""
    with services() as made, made.db.write() as session:
        bundle = made.brands.publish(session)
        record(made, session, EventName.BRANDS_CHANGED, "published", detail={"timestamp": bundle["timestamp"]})
        url = made.settings.url("/user-access-brands")
    show({"url": url, "timestamp": bundle["timestamp"], "entries": len(bundle["entry"])})


@brand.command()
@json_option
def withdraw() -> None:
    """Publish no brands any more."""
    with services() as made, made.db.write() as session:
        made.brands.withdraw(session)
        record(made, session, EventName.BRANDS_CHANGED, "withdrawn")
    show({"published": False})


def changes(given: dict[str, Any]) -> dict[str, Any]:
    """The members of a brand that were given as options."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    found = {name: list(replaced(value)) if isinstance(value, tuple) else value for name, value in found.items()}
    if "addresses" in found:
        found["addresses"] = [address(text) for text in found["addresses"]]
    if "absent" in found:
        found["absent"] = assignments(tuple(found["absent"]), "--absent looks like logo=asked-declined")
    return found


def address(text: str) -> dict[str, Any]:
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    if not all(separator for _, separator, _ in parts):
        raise InvalidValue(ADDRESS_RULE)
    named = [(name.strip(), value.strip()) for name, _, value in parts]
    lines = [value for name, value in named if name == "line"]
    return ({"line": lines} if lines else {}) | {name: value for name, value in named if name != "line"}


def as_record(one: Brand) -> dict[str, Any]:
    return {"id": one.id, **one.content()}
