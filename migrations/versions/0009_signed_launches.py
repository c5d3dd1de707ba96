"""Launches that are signed and encrypted JWTs: the keys EHRs sign with, and those they encrypt to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ehr", sa.Column("jwks", sa.JSON(), nullable=True))
    op.create_table(
        "launch_key",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_launch_key")),
    )


def downgrade() -> None:
    op.drop_table("launch_key")
    op.drop_column("ehr", "jwks")
