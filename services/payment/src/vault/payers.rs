//! What is known of payers, sealed and opened.

use clock::SharedClock;
use identity::Tenant;

use super::{NotOpened, Place, VaultKey};
use crate::store::StoreError;
use crate::store::vault::{PersonKey, Rewrap, SealedRecord, SharedVaultStore, TenantKey, Traces};

/// The longest name of a person or a record, in bytes.
pub const VAULT_NAME_BYTES_MAX: usize = 128;

/// The largest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 * 1_024;

/// Keys of persons that one step of a rotation wraps anew.
const REWRAP_MAX: u32 = 200;

/// How often a step that others were quicker at is done again.
const TRIES_MAX: u32 = 16;

/// Why the vault did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// A person or a record is called what nobody may be.
    #[error("a person's id is 1 to {VAULT_NAME_BYTES_MAX} visible ASCII characters")]
    Name,
    /// More than a record may have.
    #[error("a record of the vault has at most {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    /// What is stored does not open: it was changed, moved, or sealed by a key that is gone.
    #[error("the vault holds something that does not open: {0}")]
    NotOpened(#[from] NotOpened),
    /// Others were quicker, again and again.
    #[error("the vault is busy with the same person or tenant")]
    Contended,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VaultError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "person_invalid",
            Self::TooLarge => "record_too_large",
            Self::NotOpened(error) => error.code(),
            Self::Contended => "vault_contended",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same may work later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Contended => true,
            Self::Store(error) => error.retryable() || error.is_unknown(),
            _ => false,
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// This is it.
    Record(Vec<u8>),
    /// The person was erased, and with the key everything that it sealed.
    Erased,
    /// There is none.
    Absent,
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The tenant's key from now on.
    pub version: u32,
    /// Keys of persons that were wrapped anew.
    pub rewrapped: u64,
}

/// Seals, opens, rotates and erases. Cheap to clone. Every call may be repeated, by any process.
#[derive(Debug, Clone)]
pub struct Vault {
    store: SharedVaultStore,
    master: VaultKey,
    clock: SharedClock,
}

impl Vault {
    /// The vault on `store`, under the master key that [`super::open_master`] gave.
    pub fn new(store: SharedVaultStore, master: VaultKey, clock: SharedClock) -> Self {
        Self { store, master, clock }
    }

    /// Keeps a record of a person, sealed. One of the same name is replaced.
    pub async fn seal(
        &self,
        tenant: &Tenant,
        person: &str,
        name: &str,
        plain: &[u8],
    ) -> Result<(), VaultError> {
        check_name(person)?;
        check_name(name)?;
        if plain.len() > RECORD_BYTES_MAX {
            return Err(VaultError::TooLarge);
        }
        for _ in 0..TRIES_MAX {
            let Some((generation, key)) = self.person_key(tenant, person).await? else {
                continue;
            };
            let sealed = key.seal(Place::Record(tenant.as_str(), person, name), plain);
            let record = SealedRecord { generation, sealed };
            let now_ms = self.clock.unix_ms();
            if self
                .store
                .put_record(tenant, person, name, &record, now_ms)
                .await?
            {
                return Ok(());
            }
        }
        Err(VaultError::Contended)
    }

    /// Opens a record.
    pub async fn open(&self, tenant: &Tenant, person: &str, name: &str) -> Result<Opened, VaultError> {
        for _ in 0..TRIES_MAX {
            let Some(known) = self.store.person(tenant, person).await? else {
                return Ok(Opened::Absent);
            };
            let Some(wrapped) = &known.wrapped else {
                return Ok(Opened::Erased);
            };
            let Some(record) = self.store.record(tenant, person, name).await? else {
                return Ok(Opened::Absent);
            };
            if record.generation < known.generation {
                // Sealed before the person was erased, and put back from a copy: its key is gone.
                return Ok(Opened::Erased);
            }
            if record.generation > known.generation {
                // Erased and come back between the two looks.
                continue;
            }
            let keys = self.store.tenant_keys(tenant).await?;
            let Some(by) = keys.iter().find(|key| key.version == known.tenant_version) else {
                // Rotated meanwhile.
                continue;
            };
            let person_key = self.unwrap_person(tenant, person, known.generation, by, wrapped)?;
            let place = Place::Record(tenant.as_str(), person, name);
            return Ok(Opened::Record(person_key.open(place, &record.sealed)?));
        }
        Err(VaultError::Contended)
    }

    /// Takes a record away again, for which there turned out to be no use.
    pub async fn forget(&self, tenant: &Tenant, person: &str, name: &str) -> Result<(), VaultError> {
        Ok(self.store.drop_record(tenant, person, name).await?)
    }

    /// Gives a tenant another key, wraps every person's key by it, and drops the former. A rotation that was cut short is finished by the
    /// next. `None` for a tenant that has no key, of which nothing was ever kept: it is given none.
    pub async fn rotate(&self, tenant: &Tenant) -> Result<Option<Rotated>, VaultError> {
        if self.store.tenant_keys(tenant).await?.is_empty() {
            return Ok(None);
        }
        let version = self.add_tenant_key(tenant).await?;
        let mut rewrapped = 0;
        loop {
            let keys = self.store.tenant_keys(tenant).await?;
            let old = self.store.persons_before(tenant, version, REWRAP_MAX).await?;
            if old.is_empty() && self.store.drop_tenant_keys(tenant, version).await? {
                return Ok(Some(Rotated { version, rewrapped }));
            }
            let anew: Vec<Rewrap> = old
                .into_iter()
                .map(|key| self.rewrap(tenant, &keys, key))
                .collect::<Result<_, _>>()?;
            rewrapped += self.store.rewrap(tenant, &anew).await?;
        }
    }

    /// Drops a person's key: whatever it sealed is noise from then on, here and in copies of the records alone. A copy of the whole database from
    /// before has the wrapped keys in it: with the master key it opens as long as both are kept. Says whether there was one.
    pub async fn erase(&self, tenant: &Tenant, person: &str) -> Result<bool, VaultError> {
        check_name(person)?;
        Ok(self.store.erase(tenant, person, self.clock.unix_ms()).await?)
    }

    /// Rids the files of the database of keys and records that were dropped or replaced, by erasures and rotations, since this was done last. Before it, whoever
    /// reads the files and has the master key may still open them; logs and backups that were made meanwhile keep them in any case.
    pub async fn overwrite_traces(&self) -> Result<Traces, VaultError> {
        Ok(self.store.overwrite_traces().await?)
    }

    /// Whether there is or was anything of a person: of who was erased, that much stays.
    pub async fn was_known(&self, tenant: &Tenant, person: &str) -> Result<bool, VaultError> {
        Ok(self.store.person(tenant, person).await?.is_some())
    }

    /// Seals what belongs to the service itself by the master key, such as secrets of webhooks.
    pub fn seal_own(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        self.master.seal(place, plain)
    }

    /// Opens what [`Vault::seal_own`] sealed.
    pub fn open_own(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        self.master.open(place, sealed)
    }

    /// The person's key, made where there is none; `None` when somebody else was quicker.
    async fn person_key(&self, tenant: &Tenant, person: &str) -> Result<Option<(u32, VaultKey)>, VaultError> {
        let known = self.store.person(tenant, person).await?;
        let keys = self.store.tenant_keys(tenant).await?;
        if let Some(known) = &known
            && let Some(wrapped) = &known.wrapped
        {
            let Some(by) = keys.iter().find(|key| key.version == known.tenant_version) else {
                return Ok(None);
            };
            let key = self.unwrap_person(tenant, person, known.generation, by, wrapped)?;
            return Ok(Some((known.generation, key)));
        }
        let Some(newest) = keys.first() else {
            self.add_tenant_key(tenant).await?;
            return Ok(None);
        };
        let generation = known.map_or(0, |known| known.generation) + 1;
        let tenant_key = self.unwrap_tenant(tenant, newest)?;
        let (key, wrapped) = tenant_key.wrap_new(Place::PersonKey(tenant.as_str(), person, generation));
        let made = PersonKey {
            tenant_version: newest.version,
            generation,
            wrapped: Some(wrapped),
        };
        let now_ms = self.clock.unix_ms();
        let added = self.store.add_person(tenant, person, &made, now_ms).await?;
        Ok(added.then_some((generation, key)))
    }

    /// Adds the next version of a tenant's key; of racing calls with the same view one does, and the others go on with that.
    async fn add_tenant_key(&self, tenant: &Tenant) -> Result<u32, VaultError> {
        let newest = self
            .store
            .tenant_keys(tenant)
            .await?
            .first()
            .map_or(0, |key| key.version);
        let version = newest + 1;
        let (_key, wrapped) = self.master.wrap_new(Place::TenantKey(tenant.as_str(), version));
        let key = TenantKey { version, wrapped };
        let now_ms = self.clock.unix_ms();
        let _others_may_have = self.store.add_tenant_key(tenant, &key, now_ms).await?;
        Ok(version)
    }

    fn unwrap_tenant(&self, tenant: &Tenant, key: &TenantKey) -> Result<VaultKey, NotOpened> {
        let place = Place::TenantKey(tenant.as_str(), key.version);
        self.master.unwrap_key(place, &key.wrapped)
    }

    fn unwrap_person(
        &self,
        tenant: &Tenant,
        person: &str,
        generation: u32,
        by: &TenantKey,
        wrapped: &[u8],
    ) -> Result<VaultKey, NotOpened> {
        let place = Place::PersonKey(tenant.as_str(), person, generation);
        self.unwrap_tenant(tenant, by)?.unwrap_key(place, wrapped)
    }

    fn rewrap(&self, tenant: &Tenant, keys: &[TenantKey], key: Rewrap) -> Result<Rewrap, VaultError> {
        let find = |version| {
            let found = keys.iter().find(|key| key.version == version);
            found.ok_or(VaultError::Store(StoreError::Damaged(
                "a key wrapped by one that is not there",
            )))
        };
        let (from, to) = (find(key.from_version)?, find(key.to_version)?);
        let person_key = self.unwrap_person(tenant, &key.person, key.generation, from, &key.wrapped)?;
        let place = Place::PersonKey(tenant.as_str(), &key.person, key.generation);
        let wrapped = self.unwrap_tenant(tenant, to)?.wrap(place, &person_key);
        Ok(Rewrap { wrapped, ..key })
    }
}

fn check_name(name: &str) -> Result<(), VaultError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=VAULT_NAME_BYTES_MAX).contains(&name.len()) && plain {
        Ok(())
    } else {
        Err(VaultError::Name)
    }
}
