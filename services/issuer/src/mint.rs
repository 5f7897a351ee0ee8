//! `orrery token`: a token without a sign-in, for whoever may read the database file.

use clock::SharedClock;
use identity::{Principal, Scopes, Tenant, User};
use sql::DatabaseUrl;
use telemetry::Telemetry;

use crate::config::Settings;
use crate::error::IssuerError;
use crate::operations::authorize::SCOPES;
use crate::operations::manage_keys::known;
use crate::operations::{rotate_keys, sign_token};
use crate::store::{PostgresStore, SqliteStore};
use crate::{open, open_postgres, open_sqlite};

/// Whose token.
#[derive(Debug, Clone)]
pub struct TokenRequest<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user.
    pub user: &'a str,
    /// What it allows, one scope an element; empty means all there are.
    pub scopes: &'a [String],
    /// How long it lives, in seconds: 1 to 900. `None`: as long as the settings say.
    pub lifetime_s: Option<u64>,
}

/// Makes a token that the platform on the same data folder accepts, whether it runs or not: reads who the issuer is from
/// the database (else `settings.public_url`, else `http://127.0.0.1:8080`), makes the schema and the first key if need be.
pub async fn mint(
    settings: &Settings,
    request: &TokenRequest<'_>,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<String, IssuerError> {
    let scopes = match request.scopes {
        [] => Scopes::of(SCOPES)?,
        some => known(Scopes::of(some)?)?,
    };
    let principal = Principal {
        tenant: Tenant::parse(request.tenant)?,
        user: User::parse(request.user)?,
        scopes,
    };
    let mut rules = settings.rules()?;
    let store = open(settings, telemetry, clock).await?;
    if let Some(identity) = store.identity().await? {
        rules.issuer = identity.issuer;
        rules.audience = identity.audience;
    }
    let lifetime_s = request.lifetime_s.unwrap_or(rules.token_lifetime_s);
    let token = sign_token::access_token(&*store, &rules, &principal, lifetime_s, clock.unix_ms()).await;
    store.close().await;
    token
}

/// Makes the next signing key now, due or not: it is published at once and signs after `key_notice_s`. `false` if one
/// already waits.
pub async fn rotate(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<bool, IssuerError> {
    let rules = settings.rules()?;
    let store = open(settings, telemetry, clock).await?;
    let made = rotate_keys::rotate_now(&*store, &rules, clock.unix_ms()).await;
    store.close().await;
    made
}

/// Makes the database and brings it to this program's schema, as far as older programs can follow.
pub async fn migrate(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), IssuerError> {
    open(settings, telemetry, clock).await?.close().await;
    Ok(())
}

/// Brings the database to this program's schema whole, and so takes away what only older programs need: for when none of
/// them runs any more. On PostgreSQL, issuers of this version may go on serving meanwhile.
pub async fn contract(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), IssuerError> {
    let (telemetry, clock) = (telemetry.clone(), clock.clone());
    match settings.database()? {
        DatabaseUrl::Sqlite(path) => {
            let sql = open_sqlite(settings, &path, telemetry, clock).await?;
            SqliteStore::contract(&sql).await?;
            sql.close().await;
        }
        DatabaseUrl::Postgres(_) => {
            let sql = open_postgres(settings, telemetry, clock).await?;
            PostgresStore::contract(&sql).await?;
            sql.close().await;
        }
    }
    Ok(())
}
