"""By the word of which FHIR server somebody at a provider is this person here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upstream_identity", sa.Column("told_by", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("upstream_identity", "told_by")
