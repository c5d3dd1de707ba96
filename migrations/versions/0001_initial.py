"""The first schema: every concept's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit_anchor",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("anchored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_anchor"),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("sub", sa.String(255), nullable=True),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("fhir_server", sa.String(64), nullable=True),
        sa.Column("patient", sa.String(64), nullable=True),
        sa.Column("encounter", sa.String(64), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("grant_id", sa.String(32), nullable=True),
        sa.Column("token_id", sa.String(64), nullable=True),
        sa.Column("launch_id", sa.String(64), nullable=True),
        sa.Column("support_code", sa.String(32), nullable=True),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("peer", sa.String(64), nullable=True),
        sa.Column("user_agent", sa.String(256), nullable=True),
        sa.Column("node", sa.String(128), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_at_event", "audit_event", ["at", "event"])
    op.create_index("ix_audit_event_client_id", "audit_event", ["client_id"])
    op.create_index("ix_audit_event_grant_id", "audit_event", ["grant_id"])
    op.create_index("ix_audit_event_launch_id", "audit_event", ["launch_id"])
    op.create_index("ix_audit_event_patient", "audit_event", ["patient"])
    op.create_index("ix_audit_event_sub", "audit_event", ["sub"])
    op.create_index("ix_audit_event_support_code", "audit_event", ["support_code"])
    op.create_index("ix_audit_event_token_id", "audit_event", ["token_id"])
    op.create_table(
        "client",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("client_name", sa.String(255), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("token_endpoint_auth_method", sa.String(32), nullable=False),
        sa.Column("application_type", sa.String(16), nullable=False),
        sa.Column("grant_types", sa.JSON(), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("launch_uris", sa.JSON(), nullable=False),
        sa.Column("allowed_origins", sa.JSON(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("jwks_uri", sa.String(2048), nullable=True),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("fhir_servers", sa.JSON(), nullable=False),
        sa.Column("skip_consent_in_ehr_launch", sa.Boolean(), nullable=False),
        sa.Column("any_loopback_port", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_client"),
    )
    op.create_table(
        "client_origin",
        sa.Column("origin", sa.String(2048), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_client_origin_client_id_client", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("origin", "client_id", name="pk_client_origin"),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(64), nullable=True),
        sa.Column("requested_scope", sa.Text(), nullable=False),
        sa.Column("granted_scope", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
    )
    op.create_index("ix_consent_sub_client", "consent", ["sub", "client_id"])
    op.create_table(
        "ehr",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_ehr"),
    )
    op.create_table(
        "ehr_session",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("session_digest", sa.String(64), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("fhir_server", "session_digest", name="pk_ehr_session"),
    )
    op.create_table(
        "fhir_server",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("base_url", sa.String(2048), nullable=False),
        sa.Column("aliases", sa.JSON(), nullable=False),
        sa.Column("fhir_versions", sa.JSON(), nullable=False),
        sa.Column("ehr_origins", sa.JSON(), nullable=False),
        sa.Column("introspection_client_id", sa.String(64), nullable=False),
        sa.Column("introspection_secrets", sa.JSON(), nullable=False),
        sa.Column("scope_ceilings", sa.JSON(), nullable=False),
        sa.Column("reauthenticate", sa.Boolean(), nullable=False),
        sa.Column("vouched_users", sa.Boolean(), nullable=False),
        sa.Column("redis_launches", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_fhir_server"),
        sa.UniqueConstraint("base_url", name="uq_fhir_server_base_url"),
        sa.UniqueConstraint("introspection_client_id", name="uq_fhir_server_introspection_client_id"),
    )
    op.create_table(
        "grant_record",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("sub", sa.String(64), nullable=True),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("fhir_user", sa.String(2048), nullable=True),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("acr", sa.String(255), nullable=True),
        sa.Column("nonce", sa.String(512), nullable=True),
        sa.Column("sid", sa.String(64), nullable=True),
        sa.Column("session_digest", sa.String(64), nullable=True),
        sa.Column("has_ehr_session", sa.Boolean(), nullable=False),
        sa.Column("launch_id", sa.String(64), nullable=True),
        sa.Column("consent_id", sa.String(32), nullable=True),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_grant_record"),
    )
    op.create_index("ix_grant_record_client_id", "grant_record", ["client_id"])
    op.create_index("ix_grant_record_consent_id", "grant_record", ["consent_id"])
    op.create_index("ix_grant_record_launch_id", "grant_record", ["launch_id"])
    op.create_index("ix_grant_record_session", "grant_record", ["fhir_server", "session_digest"])
    op.create_index("ix_grant_record_sub", "grant_record", ["sub"])
    op.create_table(
        "hot_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hot_epoch"),
    )
    op.create_table(
        "seen_assertion",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_seen_assertion"),
    )
    op.create_index("ix_seen_assertion_expires_at", "seen_assertion", ["expires_at"])
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("alg", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_key"),
    )
    op.create_table(
        "spent_launch",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("launch_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ehr", sa.String(64), nullable=True),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("grant_id", sa.String(32), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_launch"),
        sa.UniqueConstraint("launch_id", name="uq_spent_launch_launch_id"),
    )
    op.create_table(
        "user_account",
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=True),
        sa.Column("display_name", sa.String(255), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("sessions_valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sub", name="pk_user_account"),
        sa.UniqueConstraint("name", name="uq_user_account_name"),
    )
    op.create_table(
        "access_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("jti", sa.String(32), nullable=False),
        sa.Column("grant_id", sa.String(32), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grant_record.id"], name="fk_access_token_grant_id_grant_record", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_access_token"),
        sa.UniqueConstraint("jti", name="uq_access_token_jti"),
    )
    op.create_index("ix_access_token_expires_at", "access_token", ["expires_at"])
    op.create_index("ix_access_token_grant_id", "access_token", ["grant_id"])
    op.create_table(
        "audit_seal",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name="fk_audit_seal_event_id_audit_event"),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_seal"),
        sa.UniqueConstraint("event_id", name="uq_audit_seal_event_id"),
    )
    op.create_table(
        "authorization_code",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("grant_id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("redirect_uri", sa.String(2048), nullable=False),
        sa.Column("code_challenge", sa.String(43), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grant_record.id"], name="fk_authorization_code_grant_id_grant_record", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_authorization_code"),
    )
    op.create_index("ix_authorization_code_grant_id", "authorization_code", ["grant_id"])
    op.create_table(
        "ehr_fhir_server",
        sa.Column("ehr", sa.String(64), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["ehr"], ["ehr.client_id"], name="fk_ehr_fhir_server_ehr_ehr", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_ehr_fhir_server_fhir_server_fhir_server", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ehr", "fhir_server", name="pk_ehr_fhir_server"),
    )
    op.create_table(
        "fhir_identity",
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_fhir_identity_fhir_server_fhir_server", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_fhir_identity_sub_user_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fhir_server", "reference", name="pk_fhir_identity"),
        sa.UniqueConstraint("fhir_server", "sub", name="uq_fhir_identity_fhir_server"),
    )
    op.create_index("ix_fhir_identity_sub", "fhir_identity", ["sub"])
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("grant_id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grace_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor_digest", sa.String(64), nullable=True),
        sa.Column("successor_access_digest", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grant_record.id"], name="fk_refresh_token_grant_id_grant_record", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_token"),
    )
    op.create_index("ix_refresh_token_expires_at", "refresh_token", ["expires_at"])
    op.create_index("ix_refresh_token_grant_id", "refresh_token", ["grant_id"])
    op.create_table(
        "representation",
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("relationship", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["fhir_server"], ["fhir_server.name"], name="fk_representation_fhir_server_fhir_server", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_representation_sub_user_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sub", "fhir_server", "patient", name="pk_representation"),
    )
    op.execute("INSERT INTO hot_epoch (id, epoch) VALUES (1, 1)")  # the one row that revocation raises
