"""Sessions at a provider that ended: who was on the way here from one begins none here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upstream_end",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("issuer_digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=True),
        sa.Column("sid", sa.String(255), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_upstream_end"),
    )
    op.create_index("ix_upstream_end_told_at", "upstream_end", ["told_at"])


def downgrade() -> None:
    op.drop_table("upstream_end")
