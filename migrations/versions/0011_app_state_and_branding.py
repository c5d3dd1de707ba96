"""Where apps keep their state and which kinds are whose; how a FHIR server's pages look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("app_state", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("fhir_server", sa.Column("associated_endpoints", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("fhir_server", sa.Column("branding", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("client", sa.Column("app_state_codes", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "fhir_server_logo",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fhir_server", name="pk_fhir_server_logo"),
        sa.ForeignKeyConstraint(
            ["fhir_server"],
            ["fhir_server.name"],
            name="fk_fhir_server_logo_fhir_server_fhir_server",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("fhir_server_logo")
    op.drop_column("client", "app_state_codes")
    for name in ("branding", "associated_endpoints", "app_state"):
        op.drop_column("fhir_server", name)
