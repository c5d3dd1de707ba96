"""The last revocation, by which a short-lived store that was put back to an earlier time is recognised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hot_epoch", sa.Column("last_revocation", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("hot_epoch", "last_revocation")
