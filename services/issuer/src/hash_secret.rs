//! Where the secret of the API keys' hashes comes from: the setting, else its file, made at first need.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

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
    match std::fs::read_to_string(path) {
        Ok(text) => HashSecret::from_hex(&text)
            .map(Some)
            .ok_or_else(|| SecretError::File {
                path: path.to_owned(),
            }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a new secret so that a crash leaves the whole file or none, readable by its owner alone. Of several that do so at
/// once one is first, and the others take its secret.
fn make(path: &Path) -> Result<HashSecret, SecretError> {
    let io = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let secret = HashSecret::generate();
    match write(path, &secret).map_err(io) {
        Ok(()) => Ok(secret),
        Err(error) => match read(path)? {
            Some(others) => Ok(others),
            None => Err(error),
        },
    }
}

fn write(path: &Path, secret: &HashSecret) -> std::io::Result<()> {
    // A name of this call's own: two that write at once never share a file.
    let unfinished = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file
        .write_all(format!("{}\n", secret.to_hex()).as_bytes())
        .and_then(|()| file.sync_all())
        // A link, unlike a rename, never replaces a secret that another process has made meanwhile.
        .and_then(|()| std::fs::hard_link(&unfinished, path));
    std::fs::remove_file(&unfinished)?;
    written?;
    // The name is durable only once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_make_the_file_at_once_all_hold_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.key");
        let ids: std::collections::BTreeSet<[u8; 8]> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| make(&path).unwrap().id()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing unfinished is left: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_secret() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.key");
        make(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }

    #[test]
    fn a_file_that_is_no_secret_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.key");
        std::fs::write(&path, "not a secret").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.code(), "api_key_secret_file_invalid");
        assert!(error.to_string().contains("issuer.key") && !error.to_string().contains("not a secret"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a secret");
    }
}
