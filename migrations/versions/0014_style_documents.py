"""Style documents of FHIR servers, each under a URL that names its content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "style_document",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["fhir_server"],
            ["fhir_server.name"],
            name="fk_style_document_fhir_server_fhir_server",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fhir_server", "version", name="pk_style_document"),
    )


def downgrade() -> None:
    op.drop_table("style_document")
