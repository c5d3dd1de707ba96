"""What a FHIR server does not offer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("without", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("fhir_server", "without")
