"""Sign-in at the hospital's own providers: which there are, who is who there, which FHIR resource somebody is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_provider",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("issuer", sa.String(2048), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("auth_method", sa.String(32), nullable=False),
        sa.Column("closed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("fhir_servers", sa.JSON(), nullable=False),
        sa.Column("fhir_user_claim", sa.String(255), nullable=False),
        sa.Column("name_claim", sa.String(255), nullable=False),
        sa.Column("acr_values", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sign_in_provider"),
    )
    op.create_table(
        "upstream_identity",
        sa.Column("issuer_digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("issuer", sa.String(2048), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer_digest", "subject", name="pk_upstream_identity"),
        sa.UniqueConstraint("issuer_digest", "sub", name="uq_upstream_identity_issuer_digest"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_upstream_identity_sub_user_account", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_upstream_identity_sub", "upstream_identity", ["sub"])
    op.create_table(
        "sign_in_rule",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("local_accounts", sa.Boolean(), nullable=False),
        sa.Column("map_claim", sa.String(255), nullable=False),
        sa.Column("searches", sa.JSON(), nullable=False),
        sa.Column("person_links", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("fhir_server", name="pk_sign_in_rule"),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_sign_in_rule_fhir_server_fhir_server", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "fhir_user_map",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("fhir_server", "provider", "value", name="pk_fhir_user_map"),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_fhir_user_map_fhir_server_fhir_server", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "upstream_session",
        sa.Column("session_digest", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("issuer_digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sid", sa.String(255), nullable=True),
        sa.Column("closed_id_token", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("session_digest", name="pk_upstream_session"),
        sa.ForeignKeyConstraint(
            ["session_digest"],
            ["browser_session.session_digest"],
            name="fk_upstream_session_session_digest_browser_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_upstream_session_subject", "upstream_session", ["issuer_digest", "subject"])
    op.create_table(
        "seen_logout_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_seen_logout_token"),
    )
    op.create_index("ix_seen_logout_token_expires_at", "seen_logout_token", ["expires_at"])


def downgrade() -> None:
    for table in (
        *("seen_logout_token", "upstream_session", "fhir_user_map", "sign_in_rule", "upstream_identity"),
        "sign_in_provider",
    ):
        op.drop_table(table)
