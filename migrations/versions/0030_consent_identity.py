"""About which app a person decided, as it was shown to them; decisions that don't know are asked about once more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consent", sa.Column("app_identity", sa.String(64), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("consent", "app_identity")
