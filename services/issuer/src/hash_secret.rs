//! Where the secret of the API keys' hashes comes from: the setting, else its file, made at first need.

use std::path::{Path, PathBuf};

use identity::secret_file;

use crate::api_keys::HashSecret;
use crate::config::Settings;
use crate::store::{Registry, StoreError};

/// Why there is no secret to work with. Without the right one no API key would be known again.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The setting is not a secret.
    #[error("issuer.api_key_secret must be 64 hexadecimal digits (32 bytes)")]
    Setting,
    /// The file is not a secret.
    #[error("{path} holds no secret: expected 64 hexadecimal digits (32 bytes)", path = path.display())]
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
    /// There are keys that the secret in hand does not fit, or no secret is in hand.
    #[error(
        "{keys} API keys were hashed with another secret than that of {from}: restore theirs there or in issuer.api_key_secret (every process of an issuer needs the same), or revoke them"
    )]
    Foreign {
        /// How many.
        keys: u64,
        /// Where the secret in hand is from, or should be.
        from: String,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SecretError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting => "api_key_secret_setting_invalid",
            Self::File { .. } => "api_key_secret_file_invalid",
            Self::Io { .. } => "api_key_secret_file_unreadable",
            Self::Foreign { .. } => "api_key_secret_foreign",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later without anybody doing something.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.retryable())
    }

    /// Whether a write of unknown outcome is behind it. Nothing here writes to the store.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unknown(_)))
    }
}

/// Whether the setting, if there is one, is a secret.
pub(crate) fn check(settings: &Settings) -> Result<(), SecretError> {
    let setting = settings.api_key_secret.expose();
    if setting.is_empty() || HashSecret::from_hex(setting).is_some() {
        Ok(())
    } else {
        Err(SecretError::Setting)
    }
}

/// The secret, which fits every live key in the store.
pub(crate) async fn open(
    settings: &Settings,
    store: &dyn Registry,
    now_ms: u64,
) -> Result<HashSecret, SecretError> {
    let setting = settings.api_key_secret.expose();
    let path = Path::new(&settings.api_key_secret_file);
    let (found, from) = if setting.is_empty() {
        (read(path)?, path.display().to_string())
    } else {
        let secret = HashSecret::from_hex(setting).ok_or(SecretError::Setting)?;
        (Some(secret), "issuer.api_key_secret".to_owned())
    };
    let id = found.as_ref().map(HashSecret::id);
    let keys = store.foreign_api_keys(id.as_ref(), now_ms).await?;
    if keys > 0 {
        return Err(SecretError::Foreign { keys, from });
    }
    found.map_or_else(|| make(path), Ok)
}

fn read(path: &Path) -> Result<Option<HashSecret>, SecretError> {
    let text = secret_file::read(path).map_err(|source| unreadable(path, source))?;
    text.map(|text| parse(path, &text)).transpose()
}

/// Of several processes that do so at once one is first, and the others take its secret.
fn make(path: &Path) -> Result<HashSecret, SecretError> {
    let made = secret_file::make(path, &HashSecret::generate().to_hex());
    parse(path, &made.map_err(|source| unreadable(path, source))?)
}

fn parse(path: &Path, text: &str) -> Result<HashSecret, SecretError> {
    let path = path.to_owned();
    HashSecret::from_hex(text).ok_or(SecretError::File { path })
}

fn unreadable(path: &Path, source: std::io::Error) -> SecretError {
    let path = path.to_owned();
    SecretError::Io { path, source }
}
