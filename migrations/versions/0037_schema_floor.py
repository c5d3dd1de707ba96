"""Older versions of the program go on working with a newer schema, down to a floor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

contracts = "programs before this one ask for their own revision and no other"


def upgrade() -> None:
    op.create_table(
        "schema_floor",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schema_floor"),
    )
    op.execute("INSERT INTO schema_floor (id, revision) VALUES (1, '0037')")


def downgrade() -> None:
    op.drop_table("schema_floor")
