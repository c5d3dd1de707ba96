from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.errors import InvalidValue, NotFound
from authz.users.model import FhirUserMapRow, SignInRuleRow
from authz.users.search_template import SearchTemplate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.storage.database import Database

SUBJECT = "sub"
MAX_SEARCHES = 5
MAX_VALUE = 255


@dataclass(frozen=True, slots=True)
class SignInRules:
    """How people sign in for a FHIR server, and how it is found out which resource they are there."""

    local_accounts: bool = True  # name and password of this server's own
    map_claim: str = SUBJECT  # by whose value somebody stands on the hospital's list
    searches: tuple[str, ...] = ()  # templates, tried in this order; each for the people of one provider
    person_links: bool = False  # a Person stands for the resources it links

    def templates(self, provider: str) -> tuple[SearchTemplate, ...]:
        """Those for the people of this provider."""
        return tuple(template for template in self.every_template() if template.provider == provider)

    def every_template(self) -> tuple[SearchTemplate, ...]:
        return tuple(map(SearchTemplate.parse, self.searches))

    def claims(self, provider: str) -> frozenset[str]:
        """What must be known of somebody who comes from there, to look for them."""
        named = frozenset(name for template in self.templates(provider) for name in template.claims)
        return named | ({self.map_claim} - {SUBJECT})

    def as_dict(self) -> dict[str, Any]:
        return {
            "local_accounts": self.local_accounts,
            "map_claim": self.map_claim,
            "searches": list(self.searches),
            "person_links": self.person_links,
        }


class SignInRulebook:
    def __init__(self, db: Database) -> None:
        self.db = db

    def of(self, fhir_server: str) -> SignInRules:
        with self.db.read() as session:
            row = session.get(SignInRuleRow, fhir_server)
            return SignInRules() if row is None else from_row(row)

    def update(self, session: Session, fhir_server: str, changes: dict[str, Any]) -> SignInRules:
        """Change members of SignInRules. Raises InvalidValue."""
        row = session.get(SignInRuleRow, fhir_server, with_for_update=True)
        values = (SignInRules() if row is None else from_row(row)).as_dict() | changes
        values["searches"] = list(values["searches"])
        if "searches" in changes and len(values["searches"]) > MAX_SEARCHES:
            raise InvalidValue(f"at most {MAX_SEARCHES} searches")
        for text in values["searches"]:
            SearchTemplate.parse(text)
        if values["map_claim"] in {"", "email"}:
            raise InvalidValue("nobody is found by their e-mail address; name another claim")
        if row is None:
            row = SignInRuleRow(fhir_server=fhir_server, **values)
            session.add(row)
        for name, value in values.items():
            setattr(row, name, value)
        session.flush()
        return from_row(row)

    def listed(self, fhir_server: str, provider: str, value: str) -> str | None:
        """The resource of whoever has this value at this provider."""
        with self.db.read() as session:
            row = session.get(FhirUserMapRow, (fhir_server, provider, value)) if len(value) <= MAX_VALUE else None
            return None if row is None else row.reference

    def put_on_list(self, session: Session, fhir_server: str, provider: str, value: str, reference: str) -> None:
        """Said again, it replaces what was said before. Raises InvalidValue."""
        if not 0 < len(value) <= MAX_VALUE or not value.isprintable():
            raise InvalidValue(f"a value is 1 to {MAX_VALUE} printable characters")
        key = (fhir_server, provider, value)
        row = session.get(FhirUserMapRow, key)
        if row is not None:
            row.reference = reference
            return
        session.add(FhirUserMapRow(fhir_server=fhir_server, provider=provider, value=value, reference=reference))

    def take_off_list(self, session: Session, fhir_server: str, provider: str, value: str) -> None:
        row = session.get(FhirUserMapRow, (fhir_server, provider, value))
        if row is None:
            raise NotFound(f"{value}: not on the list of {fhir_server} for {provider}")
        session.delete(row)

    def list(self, fhir_server: str) -> list[dict[str, str]]:
        mine = select(FhirUserMapRow).where(FhirUserMapRow.fhir_server == fhir_server)
        with self.db.read() as session:
            rows = session.scalars(mine.order_by(FhirUserMapRow.provider, FhirUserMapRow.value))
            return [{"provider": row.provider, "value": row.value, "reference": row.reference} for row in rows]

    def forget_provider(self, session: Session, provider: str) -> None:
        """A list or a search is about the people of one provider: another one of that name knows others."""
        self.forget_list(session, provider)
        for row in session.scalars(select(SignInRuleRow)):
            row.searches = [text for text in row.searches if SearchTemplate.parse(text).provider != provider]

    def forget_list(self, session: Session, provider: str) -> None:
        session.execute(delete(FhirUserMapRow).where(FhirUserMapRow.provider == provider))


def from_row(row: SignInRuleRow) -> SignInRules:
    return SignInRules(row.local_accounts, row.map_claim, tuple(row.searches), row.person_links)
