//! The URL that a setting names a database by.

use std::path::{Path, PathBuf};

/// A URL that leads to no file of ours. The texts read on after a setting's name, and never repeat a URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// `sqlite:` and nothing more.
    #[error("names no file: use sqlite:PATH")]
    NoFile,
    /// Another engine's.
    #[error("`{0}:` is not compiled in: use sqlite:PATH")]
    OtherEngine(String),
}

/// The file behind `sqlite:PATH`.
pub fn sqlite_path(url: &str) -> Result<PathBuf, UrlError> {
    match url.strip_prefix("sqlite:") {
        Some("") => Err(UrlError::NoFile),
        Some(path) => Ok(Path::new(path).to_owned()),
        None => {
            let scheme = url.split(':').next().unwrap_or_default();
            Err(UrlError::OtherEngine(scheme.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_ours_leads_to_a_file_and_a_password_is_never_repeated() {
        assert_eq!(sqlite_path("sqlite:/a/b.db").unwrap(), Path::new("/a/b.db"));
        assert_eq!(sqlite_path("sqlite:"), Err(UrlError::NoFile));
        let error = sqlite_path("postgres://user:secret@host/db")
            .unwrap_err()
            .to_string();
        assert!(error.contains("postgres") && !error.contains("secret"), "{error}");
    }
}
