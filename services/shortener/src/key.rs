//! The code key: found or made at start, and held against the fingerprint in the store.

use std::path::{Path, PathBuf};

use identity::secret_file;

use crate::permutation::CodeKey;
use crate::store::{LinkStore, StoreError};

/// Why the service refuses to start over its key. With another key the permutation would hand out codes that are already links.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The setting is not a key.
    #[error("shortener.code_key must be 64 hexadecimal digits (32 bytes)")]
    Setting,
    /// The file is not a key.
    #[error("{path} holds no code key: expected 64 hexadecimal digits (32 bytes)", path = path.display())]
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
    /// There are codes already, but their key is gone.
    #[error(
        "the link store belongs to the code key with fingerprint {pinned}, and {path} is not there: restore it, or set shortener.code_key",
        path = path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the store says.
        pinned: String,
    },
    /// There are codes already, made with another key.
    #[error(
        "the code key has fingerprint {given}, but the link store belongs to {pinned}: the key cannot be changed, for codes would be given out twice; restore the former key"
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

impl KeyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting => "code_key_setting_invalid",
            Self::File { .. } => "code_key_file_invalid",
            Self::Io { .. } => "code_key_file_unreadable",
            Self::Missing { .. } => "code_key_missing",
            Self::Mismatch { .. } => "code_key_mismatch",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether starting again may help without anybody doing something.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.retryable())
    }
}

/// Whether the setting, if there is one, is a key.
pub(crate) fn check(setting: &str) -> Result<(), KeyError> {
    if setting.is_empty() || CodeKey::from_hex(setting).is_some() {
        Ok(())
    } else {
        Err(KeyError::Setting)
    }
}

/// The key from the setting, else from the file, else a new one written to the file; in each case the one the store was begun with.
pub(crate) async fn open(setting: &str, file: &Path, store: &dyn LinkStore) -> Result<CodeKey, KeyError> {
    let key = if setting.is_empty() {
        match read(file)? {
            Some(key) => key,
            None => match store.key_fingerprint().await? {
                // Another process may have made the file and pinned its key since it was looked for.
                Some(pinned) => read(file)?.ok_or_else(|| KeyError::Missing {
                    path: file.to_owned(),
                    pinned,
                })?,
                None => make(file)?,
            },
        }
    } else {
        CodeKey::from_hex(setting).ok_or(KeyError::Setting)?
    };
    let given = key.fingerprint();
    let pinned = store.pin_key_fingerprint(&given).await?;
    if pinned == given {
        Ok(key)
    } else {
        Err(KeyError::Mismatch { given, pinned })
    }
}

fn read(path: &Path) -> Result<Option<CodeKey>, KeyError> {
    let text = secret_file::read(path).map_err(|source| unreadable(path, source))?;
    text.map(|text| parse(path, &text)).transpose()
}

/// Of several processes that do so at once one is first, and the others take its key.
fn make(path: &Path) -> Result<CodeKey, KeyError> {
    let made = secret_file::make(path, &CodeKey::generate().to_hex());
    parse(path, &made.map_err(|source| unreadable(path, source))?)
}

fn parse(path: &Path, text: &str) -> Result<CodeKey, KeyError> {
    let path = path.to_owned();
    CodeKey::from_hex(text).ok_or(KeyError::File { path })
}

fn unreadable(path: &Path, source: std::io::Error) -> KeyError {
    let path = path.to_owned();
    KeyError::Io { path, source }
}
