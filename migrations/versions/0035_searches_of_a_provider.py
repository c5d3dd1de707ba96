"""A search that finds who signed in names its provider: those that were for all name each of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0033"
branch_labels = None
depends_on = None

RULES = sa.table("sign_in_rule", sa.column("fhir_server", sa.String), sa.column("searches", sa.JSON))
PROVIDERS = sa.table("sign_in_provider", sa.column("name", sa.String), sa.column("fhir_servers", sa.JSON))


def upgrade() -> None:
    connection = op.get_bind()
    providers = connection.execute(sa.select(PROVIDERS.c.name, PROVIDERS.c.fhir_servers).order_by("name")).all()
    for rule in connection.execute(sa.select(RULES)).all():
        serving = [one.name for one in providers if not one.fhir_servers or rule.fhir_server in one.fhir_servers]
        put(rule.fhir_server, [f"{name}:{search}" for search in rule.searches for name in serving])


def downgrade() -> None:
    for rule in op.get_bind().execute(sa.select(RULES)).all():
        put(rule.fhir_server, list(dict.fromkeys(search.partition(":")[2] for search in rule.searches)))


def put(fhir_server: str, searches: list[str]) -> None:
    op.execute(sa.update(RULES).where(RULES.c.fhir_server == fhir_server).values(searches=searches))
