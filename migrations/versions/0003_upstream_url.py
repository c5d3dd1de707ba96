"""Where this server asks a FHIR server: its address behind the proxy that enforces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("upstream_url", sa.String(2048), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("fhir_server", "upstream_url")
