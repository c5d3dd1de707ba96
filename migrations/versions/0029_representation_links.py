"""Whom people act for by the word of a FHIR server: off for every FHIR server there is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("representation_links", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("fhir_server", column)
    op.create_table(
        "representation_links",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["fhir_server"], ["fhir_server.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("fhir_server", "reference"),
    )


def downgrade() -> None:
    op.drop_table("representation_links")
    op.drop_column("fhir_server", "representation_links")
