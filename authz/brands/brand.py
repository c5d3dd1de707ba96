from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, validate
from marshmallow import fields as mm

from authz.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # also the resource's id
WEB = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!-~]*)?")
URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-{}~]{1,250}")  # no "|"
COUNTRY = re.compile(r"[A-Z]{2}")
URL_IDENTIFIER = "urn:ietf:rfc:3986"  # the value is a URL (UB-07)
CATEGORIES = {  # UB-08: codes of organization-type
    "prov": "Healthcare Provider",
    "ins": "Insurance Company",
    "laboratory": "Laboratory",
    "imaging": "Imaging Center",
    "pharmacy": "Pharmacy",
    "health-information-network": "Health Information Network",
    "health-data-aggregator": "Health Data Aggregator",
}
ABSENT_REASONS = ("asked-declined", "asked-unknown")  # UB-06: no other
MAY_BE_ABSENT = ("address", "category", "logo", "website")
MAX_TEXT = 255


@dataclass(frozen=True, slots=True)
class Brand:
    """What an administrator says of an organisation; addresses and portals are objects of ``BrandSchema``."""

    id: str
    name: str
    website: str = ""
    aliases: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()  # system|value
    categories: tuple[str, ...] = ()
    addresses: tuple[dict[str, Any], ...] = ()
    logo: str = ""
    logo_license: str = ""
    part_of: str = ""  # id of the brand that provides the access
    endpoints: tuple[str, ...] = ()  # names of FHIR servers
    primary_for: tuple[str, ...] = ()  # where several brands have one FHIR server: this is its own
    portals: tuple[dict[str, Any], ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict, hash=False)  # what the organisation was asked for in vain

    @classmethod
    def load(cls, brand_id: str, content: Mapping[str, Any]) -> Brand:
        """Raises InvalidValue naming everything that is wrong."""
        try:
            loaded = BrandSchema().load(content)
        except ValidationError as error:
            raise InvalidValue("; ".join(in_words(error.messages_dict))) from error
        listed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in loaded.items()
        }
        brand = cls(brand_id, **listed)
        found = brand.problems()
        if found:
            raise InvalidValue("; ".join(found))
        return brand

    def content(self) -> dict[str, Any]:
        members = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if name != "id"}
        return {name: value for name, value in members.items() if value not in ("", [], {})}

    def problems(self) -> list[str]:
        """Members that are right each and wrong together (UB-06, UB-08)."""
        found = []
        if not ID.fullmatch(self.id):
            found.append(f"{self.id}: an id is small letters, digits and hyphens, at most 63")
        if not self.website and "website" not in self.absent:
            found.append("website: the public web site is missing; if they were asked in vain: --absent website=...")
        said = {"address": self.addresses, "category": self.categories, "logo": self.logo, "website": self.website}
        found += [f"{name}: either said or absent" for name in self.absent if said[name]]
        found += [
            f"portal {portal['url']}: its endpoint {name} must be one of the brand's"
            for portal in self.portals
            for name in portal["endpoints"]
            if name not in self.endpoints
        ]
        found += [
            f"{name}: primary_for is one of the endpoints" for name in self.primary_for if name not in self.endpoints
        ]
        return found


def of_website(website: str) -> str:
    """The identifier that is recommended: the web site without ``www.`` and path (UB-07)."""
    parts = urlsplit(website)
    return f"{URL_IDENTIFIER}|https://{(parts.hostname or '').removeprefix('www.')}"


def in_words(errors: Mapping[Any, Any], path: str = "") -> list[str]:
    found = []
    for key, below in errors.items():
        here = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else str(key)
        found += in_words(below, here) if isinstance(below, dict) else [f"{here}: {text}" for text in below]
    return found


def check_web(value: str) -> None:
    if value and not WEB.fullmatch(value):
        raise ValidationError("must be an https URL")


def check_identifier(value: str) -> None:
    system, separator, text = value.rpartition("|")
    if not separator or not URI.fullmatch(system) or not text.strip():
        raise ValidationError("write it as system|value; the system is a URI")


def check_visible(value: str) -> None:
    if not value.strip() or not value.isprintable():
        raise ValidationError("must be visible characters")


def text(*checks: Any, **more: Any) -> mm.String:
    return mm.String(validate=[validate.Length(1, MAX_TEXT), check_visible, *checks], **more)


def several(item: mm.String) -> mm.List[Any]:
    return mm.List(item, validate=validate.Length(max=100))


def web(**more: Any) -> mm.String:
    return mm.String(validate=[validate.Length(max=2048), check_web], **more)


class AddressSchema(Schema):
    line = several(text())
    city = text()
    state = text()
    postal_code = text(data_key="postalCode", attribute="postalCode")
    country = mm.String(validate=validate.Regexp(COUNTRY, error="two capital letters (ISO 3166-1)"))


class PortalSchema(Schema):
    url = web(required=True)
    name = text()
    description = mm.String(validate=[validate.Length(1, 2000)])
    logo = web()
    logo_license = web()
    endpoints = mm.List(text(), load_default=list, validate=validate.Length(max=100))


class BrandSchema(Schema):
    name = text(required=True)
    website = web()
    aliases = several(text())
    identifiers = several(text(check_identifier))
    categories = several(mm.String(validate=validate.OneOf(CATEGORIES, error="one of {choices}")))
    addresses = mm.List(mm.Nested(AddressSchema), validate=validate.Length(max=1000))
    logo = web()
    logo_license = web()
    part_of = mm.String()
    endpoints = several(text())
    primary_for = several(text())
    portals = mm.List(mm.Nested(PortalSchema), validate=validate.Length(max=50))
    absent = mm.Dict(
        keys=mm.String(validate=validate.OneOf(MAY_BE_ABSENT, error="one of {choices} may be absent")),
        values=mm.String(validate=validate.OneOf(ABSENT_REASONS, error="the reason is one of {choices}")),
    )
