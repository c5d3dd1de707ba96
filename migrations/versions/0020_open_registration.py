"""Who may register an app by itself at a FHIR server; nobody, until its hospital opens it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("registration", sa.String(16), server_default="closed", nullable=False))


def downgrade() -> None:
    op.drop_column("fhir_server", "registration")
