//! `orrery key`: API keys of machine clients, for whoever may read the issuer's database, whether the platform runs or not.

use std::sync::Arc;

use clock::SharedClock;
use identity::{Tenant, User};
use telemetry::Telemetry;

use crate::config::Settings;
use crate::error::IssuerError;
use crate::hash_secret;
use crate::open;
use crate::operations::manage_keys::{self, KeyRequest, NewKey};
use crate::store::{ApiKeyRecord, ClientRecord, Store};

/// The most keys that one listing shows: the newest.
pub const LISTED_MAX: u32 = 1_000;

/// The registry of an issuer, opened for a few calls.
#[derive(Clone)]
pub struct Credentials {
    settings: Settings,
    store: Arc<dyn Store>,
    clock: SharedClock,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Opens the database and brings it to this program's schema.
    pub async fn open(
        settings: &Settings,
        telemetry: &Telemetry,
        clock: &SharedClock,
    ) -> Result<Self, IssuerError> {
        Ok(Self {
            settings: settings.clone(),
            store: open(settings, telemetry, clock).await?,
            clock: clock.clone(),
        })
    }

    /// Makes a key, and its client and tenant where they are missing. The answer is the one place where its text is.
    pub async fn create(&self, request: &KeyRequest<'_>) -> Result<NewKey, IssuerError> {
        let (limits, now_ms) = (self.settings.clients, self.clock.unix_ms());
        let store = &*self.store;
        let secret = hash_secret::open(&self.settings, store, now_ms).await?;
        manage_keys::create(store, &secret, &limits, request, now_ms).await
    }

    /// The newest [`LISTED_MAX`] keys of a tenant, whatever their state, each with its client.
    pub async fn list(&self, tenant: &str) -> Result<Vec<(ApiKeyRecord, ClientRecord)>, IssuerError> {
        let tenant = Tenant::parse(tenant)?;
        Ok(self.store.api_keys(&tenant, LISTED_MAX).await?)
    }

    /// Revokes a key by its id: from now on it gets no token, and the last it got ends within 15 minutes.
    pub async fn revoke(&self, tenant: &str, key_id: &str) -> Result<(), IssuerError> {
        let (tenant, now_ms) = (Tenant::parse(tenant)?, self.clock.unix_ms());
        if self.store.revoke_api_key(&tenant, key_id, now_ms).await? {
            Ok(())
        } else {
            Err(IssuerError::NoSuch("API key"))
        }
    }

    /// Disables a client with all its keys, or enables it again.
    pub async fn set_enabled(&self, tenant: &str, client: &str, enabled: bool) -> Result<(), IssuerError> {
        let (tenant, name) = (Tenant::parse(tenant)?, User::parse(client)?);
        let since = (!enabled).then(|| self.clock.unix_ms());
        if self.store.disable_client(&tenant, &name, since).await? {
            Ok(())
        } else {
            Err(IssuerError::NoSuch("client"))
        }
    }

    /// Gives the database back.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
