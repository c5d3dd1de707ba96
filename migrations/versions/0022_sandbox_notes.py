"""What a hospital publishes for the makers of apps about its test accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("sandbox_notes", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("fhir_server", "sandbox_notes")
