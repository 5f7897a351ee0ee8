//! The SQL that both engines read alike.

pub(super) const LIST_KEYS: &str = "SELECT kid, pkcs8, use_from_ms FROM signing_key ORDER BY use_from_ms";

pub(super) const NEWEST_KEY: &str =
    "SELECT kid, use_from_ms FROM signing_key ORDER BY use_from_ms DESC LIMIT 1";

pub(super) const INSERT_KEY: &str = "INSERT INTO signing_key (kid, pkcs8, use_from_ms) VALUES ($1, $2, $3)";

pub(super) const REMOVE_KEY: &str = "DELETE FROM signing_key WHERE kid = $1 \
     AND use_from_ms < (SELECT max(use_from_ms) FROM signing_key)";

pub(super) const PUT_CODE: &str = "INSERT INTO authorization_code \
     (code_hash, client_id, redirect_uri, challenge, tenant, \"user\", scope, nonce, expires_ms) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE (SELECT count(*) FROM authorization_code) < $10";

pub(super) const TAKE_CODE: &str = "DELETE FROM authorization_code WHERE code_hash = $1 \
     RETURNING client_id, redirect_uri, challenge, tenant, \"user\", scope, nonce, expires_ms";

pub(super) const FORGET_CODES: &str = "DELETE FROM authorization_code WHERE expires_ms <= $1";

pub(super) const READ_ISSUER: &str = "SELECT name, value FROM meta WHERE name IN ('issuer', 'audience')";

pub(super) const WRITE_ISSUER: &str = "INSERT INTO meta (name, value) VALUES ('issuer', $1), ('audience', $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The statements that name a column of `tenant` which one version of the schema has and another has not.
///
/// `name` takes the place of `display_name`. While both are there, `display_name` is the truth: an older program writes it
/// alone. So both are written and `display_name` is read, until step 4 fills the new column and drops the old.
#[derive(Debug)]
pub(super) struct TenantStatements {
    pub(super) find: &'static str,
    pub(super) insert: &'static str,
}

/// From this version on, `tenant` has no `display_name`.
const CONTRACTED_FROM: i64 = 4;

/// The statements for a database that is at `schema`: the one place that decides. Both sets are bound and read alike.
pub(super) fn tenant(schema: i64) -> &'static TenantStatements {
    if schema < CONTRACTED_FROM {
        &TenantStatements {
            find: "SELECT id, display_name, created_ms FROM tenant WHERE id = $1",
            insert: "INSERT INTO tenant (id, display_name, name, created_ms) VALUES ($1, $2, $2, $3)",
        }
    } else {
        &TenantStatements {
            find: "SELECT id, name, created_ms FROM tenant WHERE id = $1",
            insert: "INSERT INTO tenant (id, name, created_ms) VALUES ($1, $2, $3)",
        }
    }
}

pub(super) const COUNT_TENANTS: &str = "SELECT count(*) FROM tenant";

pub(super) const FIND_CLIENT: &str = "SELECT id, tenant, name, scopes, created_ms, disabled_ms FROM client \
     WHERE tenant = $1 AND name = $2";

/// Whether a client stands in the way of a new one.
pub(super) const CLIENT_STANDS: &str =
    "SELECT count(*) FROM client WHERE id = $1 OR (tenant = $2 AND name = $3)";

pub(super) const COUNT_CLIENTS: &str = "SELECT count(*) FROM client WHERE tenant = $1";

pub(super) const INSERT_CLIENT: &str = "INSERT INTO client (id, tenant, name, scopes, created_ms, disabled_ms) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const DISABLE_CLIENT: &str = "UPDATE client SET disabled_ms = \
     CASE WHEN $3 IS NULL THEN NULL ELSE coalesce(disabled_ms, $3) END WHERE tenant = $1 AND name = $2";

pub(super) const CLIENT_OF_ID: &str = "SELECT id FROM client WHERE id = $1";

pub(super) const API_KEY_STANDS: &str = "SELECT count(*) FROM api_key WHERE id = $1";

pub(super) const COUNT_LIVE_API_KEYS: &str = "SELECT count(*) FROM api_key WHERE client_id = $1 \
     AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $2)";

pub(super) const INSERT_API_KEY: &str = "INSERT INTO api_key \
     (id, client_id, hash, secret_id, created_ms, expires_ms, revoked_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const FIND_API_KEY: &str = "SELECT k.id, k.hash, k.secret_id, k.created_ms, k.expires_ms, k.revoked_ms, \
     c.id, c.tenant, c.name, c.scopes, c.created_ms, c.disabled_ms \
     FROM api_key k JOIN client c ON c.id = k.client_id WHERE k.id = $1";

pub(super) const LIST_API_KEYS: &str = "SELECT k.id, k.hash, k.secret_id, k.created_ms, k.expires_ms, k.revoked_ms, \
     c.id, c.tenant, c.name, c.scopes, c.created_ms, c.disabled_ms \
     FROM api_key k JOIN client c ON c.id = k.client_id WHERE c.tenant = $1 \
     ORDER BY k.created_ms DESC, k.id LIMIT $2";

pub(super) const REVOKE_API_KEY: &str = "UPDATE api_key SET revoked_ms = coalesce(revoked_ms, $3) \
     WHERE id = $2 AND client_id IN (SELECT id FROM client WHERE tenant = $1)";

pub(super) const FORGET_API_KEYS: &str = "DELETE FROM api_key WHERE revoked_ms <= $1 OR expires_ms <= $1";

pub(super) const COUNT_FOREIGN_API_KEYS: &str = "SELECT count(*) FROM api_key \
     WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $1) AND ($2 IS NULL OR secret_id <> $2)";
