"""The logo of an app, uploaded by an administrator; no app has one yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("logo", sa.String(16), server_default="", nullable=False))
    op.create_table(
        "client_logo",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_client_logo"),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_client_logo_client_id_client", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("client_logo")
    op.drop_column("client", "logo")
