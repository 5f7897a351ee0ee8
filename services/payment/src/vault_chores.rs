//! The vault without the service: for the commands that rotate and erase. Works whether the platform runs or not: whoever may read the
//! database and the master key may do it.

use std::path::Path;

use clock::SharedClock;
use identity::Tenant;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::engines::Opener;
use crate::store::vault::Traces;
use crate::store::{Database, vault};
use crate::vault::{Rotated, Vault, VaultError, open_master};

/// What there was to erase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// A person was known, and is no more.
    Now,
    /// The person was erased before, and nothing was told of them since.
    Before,
    /// Nothing was ever kept of such a person.
    NeverKnown,
}

/// A vault that was opened for a chore.
#[derive(Debug)]
pub struct VaultChores {
    database: Database,
    vault: Vault,
}

impl VaultChores {
    /// Opens the database and the master key that the settings name.
    pub async fn open(
        settings: &Settings,
        telemetry: &Telemetry,
        clock: &SharedClock,
    ) -> Result<Self, RunError> {
        let opener = Opener {
            settings,
            telemetry,
            clock,
        };
        let database = opener.database().await?;
        let store = vault::open(&database);
        let file = Path::new(&settings.vault.key_file);
        match open_master(settings.vault.key.expose(), file, &*store).await {
            Ok(master) => Ok(Self {
                database,
                vault: Vault::new(store, master, clock.clone()),
            }),
            Err(error) => {
                database.close().await;
                Err(error.into())
            }
        }
    }

    /// Gives a tenant another key; `None` where it has none. One that was cut short is finished by the next.
    pub async fn rotate(&self, tenant: &Tenant) -> Result<Option<Rotated>, VaultError> {
        self.vault.rotate(tenant).await
    }

    /// Erases a person.
    pub async fn erase(&self, tenant: &Tenant, person: &str) -> Result<Erased, VaultError> {
        if self.vault.erase(tenant, person).await? {
            return Ok(Erased::Now);
        }
        let was_known = self.vault.was_known(tenant, person).await?;
        Ok(if was_known {
            Erased::Before
        } else {
            Erased::NeverKnown
        })
    }

    /// Rids the database's files of what erasures and rotations dropped, these and earlier ones.
    pub async fn overwrite_traces(&self) -> Result<Traces, VaultError> {
        self.vault.overwrite_traces().await
    }

    /// Gives the connections back.
    pub async fn close(self) {
        self.database.close().await;
    }
}
