"""What is over is found by its age: indexes for the purge."""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

AGES = {
    "grant_record": "created_at",
    "messaging_handle": "expires_at",
    "spent_launch": "at",
    "ehr_session": "touched_at",
    "browser_session": "used_at",
    "logout_notice": "created_at",
}


def upgrade() -> None:
    for table, column in AGES.items():
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in AGES.items():
        op.drop_index(f"ix_{table}_{column}", table)
