"""SMART Web Messaging: the handle of a grant, and the origins of an app's pages that may use it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("smart_web_messaging_origins", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "messaging_handle",
        sa.Column("grant_id", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(2048), nullable=False),
        sa.Column("app_origins", sa.JSON(), nullable=False),
        sa.Column("sealed_session", sa.LargeBinary(), nullable=True),
        sa.Column("window_digest", sa.String(64), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grant_record.id"], name="fk_messaging_handle_grant_id_grant_record", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("grant_id", name="pk_messaging_handle"),
        sa.UniqueConstraint("digest", name="uq_messaging_handle_digest"),
    )


def downgrade() -> None:
    op.drop_table("messaging_handle")
    op.drop_column("client", "smart_web_messaging_origins")
