//! The port of the vault: wrapped keys and sealed records. It knows no key and opens nothing.

mod calls;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;

use super::{Database, StoreError};

pub use postgres::PostgresVault;
pub use sqlite::SqliteVault;

/// A tenant's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKey {
    /// Counted from 1.
    pub version: u32,
    /// By the master key.
    pub wrapped: Vec<u8>,
}

/// A person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonKey {
    /// Which of the tenant's keys wraps it.
    pub tenant_version: u32,
    /// Counted from 1; one more each time the person comes back after being erased.
    pub generation: u32,
    /// `None`: erased.
    pub wrapped: Option<Vec<u8>>,
}

/// A person's key that is to be wrapped anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrap {
    /// Whose.
    pub person: String,
    /// As it was read.
    pub generation: u32,
    /// As it was read.
    pub from_version: u32,
    /// By `to_version`'s key.
    pub to_version: u32,
    /// As it was read, or to be written.
    pub wrapped: Vec<u8>,
}

/// A sealed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Of the person's key.
    pub generation: u32,
    /// What is kept.
    pub sealed: Vec<u8>,
}

/// What became of what was dropped or replaced, in the files of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traces {
    /// There was nothing.
    None,
    /// It stands in the tables' files no more.
    Overwritten,
    /// It may still stand there: a transaction, a replication slot or a standby that is older than the dropping may still read it, and is kept what it may
    /// read. Stays to be done.
    Held,
    /// It still stands there: this user may not rewrite the tables. Whoever owns them may, by these statements, one after the other and each by itself: the
    /// second says that it is done, and does nothing where it is not.
    NotAllowed(Vec<String>),
}

/// The vault's rows. Each call is one atomic step, and each write a compare-and-set that may be repeated: it says whether it was done, and
/// whoever is told that it was not reads again.
#[async_trait]
pub trait VaultStore: Send + Sync + std::fmt::Debug + 'static {
    /// The fingerprint of the master key that the vault was begun with.
    async fn master_fingerprint(&self) -> Result<Option<String>, StoreError>;

    /// Makes this the fingerprint unless there is one; answers with what it is then.
    async fn pin_master_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError>;

    /// All keys of a tenant, the newest first.
    async fn tenant_keys(&self, tenant: &Tenant) -> Result<Vec<TenantKey>, StoreError>;

    /// Adds a tenant's key, unless its version is there.
    async fn add_tenant_key(&self, tenant: &Tenant, key: &TenantKey, now_ms: u64)
    -> Result<bool, StoreError>;

    /// Drops a tenant's keys before `version`, unless one of them wraps a person's key.
    async fn drop_tenant_keys(&self, tenant: &Tenant, version: u32) -> Result<bool, StoreError>;

    /// A person's key.
    async fn person(&self, tenant: &Tenant, person: &str) -> Result<Option<PersonKey>, StoreError>;

    /// Adds a person's key, unless the tenant's newest key is another by now, or the person has a key or another generation follows.
    async fn add_person(
        &self,
        tenant: &Tenant,
        person: &str,
        key: &PersonKey,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// Keys of persons that are wrapped by a key before `version`.
    async fn persons_before(
        &self,
        tenant: &Tenant,
        version: u32,
        limit: u32,
    ) -> Result<Vec<Rewrap>, StoreError>;

    /// Replaces wrapped keys that are still as they were read; says how many were.
    async fn rewrap(&self, tenant: &Tenant, keys: &[Rewrap]) -> Result<u64, StoreError>;

    /// Keeps a record, unless the person was erased since or has a key of another generation. One of the same name is replaced.
    async fn put_record(
        &self,
        tenant: &Tenant,
        person: &str,
        name: &str,
        record: &SealedRecord,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// A record.
    async fn record(
        &self,
        tenant: &Tenant,
        person: &str,
        name: &str,
    ) -> Result<Option<SealedRecord>, StoreError>;

    /// Drops a record, if it is there.
    async fn drop_record(&self, tenant: &Tenant, person: &str, name: &str) -> Result<(), StoreError>;

    /// Drops a person's key, and the records. Says whether there was a key.
    async fn erase(&self, tenant: &Tenant, person: &str, now_ms: u64) -> Result<bool, StoreError>;

    /// Rids the tables' files, and SQLite's log, of keys that were dropped or replaced (by an erasure, with its records, or a rotation) since this was done
    /// last; what is dropped meanwhile is for the next call. A record that is replaced or dropped alone calls for nothing: that is everyday business, its
    /// bytes open by the person's key alone, and leave with that. Takes as long as writing the tables takes, and on PostgreSQL each is locked meanwhile.
    async fn overwrite_traces(&self) -> Result<Traces, StoreError>;
}

/// The port on an open database.
pub type SharedVaultStore = Arc<dyn VaultStore>;

/// The port on `database`.
pub fn open(database: &Database) -> SharedVaultStore {
    match database {
        Database::Sqlite(sql) => Arc::new(SqliteVault::new(sql.clone())),
        Database::Postgres(sql) => Arc::new(PostgresVault::new(sql.clone())),
    }
}
