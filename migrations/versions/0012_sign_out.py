"""Sessions at this server and their end; whom to tell of it; what an app registers for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("logout", sa.JSON(), server_default="{}", nullable=False))
    op.create_table(
        "browser_session",
        sa.Column("session_digest", sa.String(64), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("session_digest", name="pk_browser_session"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_browser_session_sub_user_account", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_browser_session_sub", "browser_session", ["sub"])
    op.create_table(
        "logout_notice",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_logout_notice"),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_logout_notice_client_id_client", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_logout_notice_client_id", "logout_notice", ["client_id"])
    op.create_index("ix_logout_notice_next_at", "logout_notice", ["next_at"])


def downgrade() -> None:
    op.drop_table("logout_notice")
    op.drop_table("browser_session")
    op.drop_column("client", "logout")
