//! The master key: found or made at start, and held against the fingerprint in the store.

use std::path::{Path, PathBuf};

use identity::secret_file;

use super::VaultKey;
use crate::store::StoreError;
use crate::store::vault::VaultStore;

/// Why the service refuses to start over its master key: with another one, nothing that is sealed would open.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The setting is not a key.
    #[error("payment.vault.key must be 64 hexadecimal digits (32 bytes)")]
    Setting,
    /// The file is not a key.
    #[error("{path} holds no vault key: expected 64 hexadecimal digits (32 bytes)", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something is sealed already, but its key is gone.
    #[error(
        "the vault belongs to the key with fingerprint {pinned}, and {path} is not there: restore it, or set payment.vault.key",
        path = path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the store says.
        pinned: String,
    },
    /// Something is sealed already, with another key.
    #[error(
        "the vault key has fingerprint {given}, but the vault belongs to {pinned}: nothing in it would open; restore the former key"
    )]
    Mismatch {
        /// Of the key in hand.
        given: String,
        /// What the store says.
        pinned: String,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MasterKeyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting => "vault_key_setting_invalid",
            Self::File { .. } => "vault_key_file_invalid",
            Self::Io { .. } => "vault_key_file_unreadable",
            Self::Missing { .. } => "vault_key_missing",
            Self::Mismatch { .. } => "vault_key_mismatch",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether starting again may help without anybody doing something.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.retryable())
    }
}

/// The key from the setting, else from the file, else a new one written to the file; in each case the one the vault was begun with.
pub async fn open_master(
    setting: &str,
    file: &Path,
    store: &dyn VaultStore,
) -> Result<VaultKey, MasterKeyError> {
    let key = if setting.is_empty() {
        match read(file)? {
            Some(key) => key,
            None => match store.master_fingerprint().await? {
                // Another process may have made the file and pinned its key since it was looked for.
                Some(pinned) => read(file)?.ok_or_else(|| MasterKeyError::Missing {
                    path: file.to_owned(),
                    pinned,
                })?,
                None => make(file)?,
            },
        }
    } else {
        VaultKey::from_hex(setting).ok_or(MasterKeyError::Setting)?
    };
    let given = key.fingerprint();
    let pinned = store.pin_master_fingerprint(&given).await?;
    if pinned == given {
        Ok(key)
    } else {
        Err(MasterKeyError::Mismatch { given, pinned })
    }
}

fn read(path: &Path) -> Result<Option<VaultKey>, MasterKeyError> {
    let text = secret_file::read(path).map_err(|source| io(path, source))?;
    text.map(|text| parse(path, &text)).transpose()
}

fn make(path: &Path) -> Result<VaultKey, MasterKeyError> {
    let text = secret_file::make(path, &VaultKey::generate().to_hex()).map_err(|source| io(path, source))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<VaultKey, MasterKeyError> {
    VaultKey::from_hex(text).ok_or_else(|| MasterKeyError::File {
        path: path.to_owned(),
    })
}

fn io(path: &Path, source: std::io::Error) -> MasterKeyError {
    MasterKeyError::Io {
        path: path.to_owned(),
        source,
    }
}
