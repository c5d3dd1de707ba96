"""My apps: what a browser calls itself, and when somebody was last reminded of what goes on while they are away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("browser_session", sa.Column("user_agent", sa.String(256), nullable=True))
    op.create_table(
        "offline_reminder",
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sub", name="pk_offline_reminder"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_offline_reminder_sub_user_account", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("offline_reminder")
    op.drop_column("browser_session", "user_agent")
