"""What an app can not work without: a person who does not agree to it refuses the app."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("required_scope", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("client", "required_scope")
