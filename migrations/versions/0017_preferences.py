"""What a client wants of this server's answers; none has said anything."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("preferences", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("client", "preferences")
