//! Reads the file of known bad URLs again when it has changed.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use server::Drain;

use super::changed_file::ChangedFile;
use crate::config::{SettingError, TargetSettings};
use crate::link::{Found, KnownBad};
use crate::metrics::Metrics;
use crate::operations::BadUrls;

const SETTING: &str = "targets.bad_urls_file";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
enum BadUrlsError {
    /// Not there, or not readable.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Larger than the limit.
    #[error("it has {bytes} bytes, and at most {bytes_max} are read")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// It had entries, and has not even a comment now.
    #[error("it is empty")]
    Emptied,
    /// Something, but nothing that is a list.
    #[error("none of its {unreadable} lines can be read")]
    NoList {
        /// How many.
        unreadable: usize,
    },
}

/// The file of known bad URLs, looked at at an interval.
pub(crate) struct ReloadBadUrls {
    file: ChangedFile,
    bytes_max: u64,
    interval: Duration,
    found: Found,
}

impl ReloadBadUrls {
    /// Reads the file that the settings name, if they name one. One that cannot be used keeps the service from starting: nobody would be
    /// protected by it.
    pub(crate) async fn open(
        settings: &TargetSettings,
        list: &BadUrls,
    ) -> Result<Option<Self>, SettingError> {
        if settings.bad_urls_file.is_empty() {
            return Ok(None);
        }
        let (path, bytes_max) = (
            PathBuf::from(&settings.bad_urls_file),
            settings.bad_urls_bytes_max(),
        );
        let opened = ChangedFile::open(path, move |file| parse(file, bytes_max)).await;
        let refused = |error: BadUrlsError| SettingError {
            setting: SETTING,
            rule: "must be a file of hosts and URLs, one a line",
            found: format!("{}: {error}", settings.bad_urls_file),
        };
        let ((known, found), file) = opened.map_err(refused)?;
        list.replace(known);
        Ok(Some(Self {
            file,
            bytes_max,
            interval: settings.bad_urls_interval(),
            found,
        }))
    }

    /// Until the drain begins. A file that cannot be used changes nothing.
    pub(crate) async fn run(mut self, list: BadUrls, metrics: Metrics, drain: Drain) {
        told(self.found, &metrics);
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            match self.look(&list).await {
                Ok(false) => {}
                Ok(true) => told(self.found, &metrics),
                Err(error) => {
                    metrics.bad_url_files_refused.inc();
                    tracing::warn!(%error, setting = "shortener.targets.bad_urls_file", "the file of bad URLs cannot be used; the former one still is");
                }
            }
        }
    }

    /// Whether the file has changed and was read.
    async fn look(&mut self, list: &BadUrls) -> Result<bool, BadUrlsError> {
        let bytes_max = self.bytes_max;
        let had_entries = self.found.entries > 0;
        let read = move |file: File| {
            // Just emptied, it is about to be written anew; a list that is meant to be empty says so in a comment.
            if had_entries && file.metadata()?.len() == 0 {
                return Err(BadUrlsError::Emptied);
            }
            parse(file, bytes_max)
        };
        let looked = self.file.look(read).await?;
        let Some((known, found)) = looked else {
            return Ok(false);
        };
        self.found = found;
        list.replace(known);
        Ok(true)
    }
}

fn told(found: Found, metrics: &Metrics) {
    let Found { entries, unreadable } = found;
    metrics.bad_url_files_read.inc();
    metrics.bad_urls.set(i64::try_from(entries).unwrap_or(i64::MAX));
    if unreadable > 0 {
        tracing::warn!(
            entries,
            unreadable,
            "some lines of the file of bad URLs cannot be read"
        );
    } else {
        tracing::info!(entries, "the file of bad URLs was read");
    }
}

fn parse(file: File, bytes_max: u64) -> Result<(KnownBad, Found), BadUrlsError> {
    let bytes = file.metadata()?.len();
    if bytes > bytes_max {
        return Err(BadUrlsError::TooLarge { bytes, bytes_max });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(bytes_max).read_to_end(&mut bytes)?;
    let (known, found) = KnownBad::parse(&String::from_utf8_lossy(&bytes));
    match found {
        Found {
            entries: 0,
            unreadable,
        } if unreadable > 0 => Err(BadUrlsError::NoList { unreadable }),
        found => Ok((known, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: &std::path::Path) -> TargetSettings {
        TargetSettings {
            bad_urls_file: path.display().to_string(),
            bad_urls_kib_max: 1,
            ..TargetSettings::default()
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_one_that_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, list) = (folder.path().join("bad.txt"), BadUrls::default());
        std::fs::write(&path, "evil.example\n").unwrap();
        let mut reload = ReloadBadUrls::open(&settings(&path), &list)
            .await
            .unwrap()
            .unwrap();
        let holds = |url| list.contains(url);
        assert!(holds("https://evil.example/"));
        assert!(!reload.look(&list).await.unwrap());
        std::fs::write(&path, "<html>not found</html>\n").unwrap();
        reload.look(&list).await.unwrap_err();
        assert!(!reload.look(&list).await.unwrap(), "said once");
        assert!(holds("https://evil.example/"));
        std::fs::write(&path, "worse.example\n".repeat(100)).unwrap();
        assert!(matches!(
            reload.look(&list).await,
            Err(BadUrlsError::TooLarge { bytes: 1_400, .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(reload.look(&list).await, Err(BadUrlsError::Read(_))));
        assert!(!reload.look(&list).await.unwrap(), "said once");
        assert!(holds("https://evil.example/"));
        std::fs::write(&path, "worse.example\n").unwrap();
        assert!(reload.look(&list).await.unwrap());
        assert!(holds("https://worse.example/") && !holds("https://evil.example/"));
        std::fs::write(&path, "# nothing today\n").unwrap();
        assert!(reload.look(&list).await.unwrap());
        assert!(!holds("https://worse.example/"));
    }

    #[tokio::test]
    async fn that_the_file_is_gone_is_said_each_time_that_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, list) = (folder.path().join("bad.txt"), BadUrls::default());
        std::fs::write(&path, "evil.example\n").unwrap();
        let opened = ReloadBadUrls::open(&settings(&path), &list).await;
        let mut reload = opened.unwrap().unwrap();
        for _ in 0..2 {
            let away = folder.path().join("away.txt");
            std::fs::rename(&path, &away).unwrap();
            reload.look(&list).await.unwrap_err();
            assert!(!reload.look(&list).await.unwrap(), "said once");
            std::fs::rename(&away, &path).unwrap();
            assert!(reload.look(&list).await.unwrap(), "the same file is back");
            assert!(list.contains("https://evil.example/"));
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_at_the_start_names_the_setting() {
        let (folder, list) = (tempfile::tempdir().unwrap(), BadUrls::default());
        let missing = settings(&folder.path().join("none.txt"));
        let refused = ReloadBadUrls::open(&missing, &list).await.err().unwrap();
        assert_eq!(refused.setting, SETTING);
        let none = TargetSettings::default();
        assert!(ReloadBadUrls::open(&none, &list).await.unwrap().is_none());
    }
}
