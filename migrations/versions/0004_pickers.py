"""Choosing a patient and a visit: what a FHIR server allows, how it is searched, and whom a person chose before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("staff_picker", "launch_picker"):
        op.add_column("fhir_server", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("fhir_server", sa.Column("patient_search", sa.JSON(), server_default="{}", nullable=False))
    op.create_table(
        "recent_patient",
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sub", "fhir_server", "patient", name="pk_recent_patient"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_recent_patient_sub_user_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_recent_patient_fhir_server_fhir_server", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("recent_patient")
    for name in ("patient_search", "launch_picker", "staff_picker"):
        op.drop_column("fhir_server", name)
