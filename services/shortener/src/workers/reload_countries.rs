//! Reads the file of countries again when it has changed.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use server::Drain;

use crate::config::{GeoSettings, SettingError};
use crate::visit::Visits;
use crate::visit::geo::{Countries, GeoFileError};

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    changed: Option<SystemTime>,
    bytes: u64,
}

/// The file of countries, looked at at an interval.
pub(crate) struct ReloadCountries {
    path: PathBuf,
    interval: Duration,
    seen: Seen,
}

impl ReloadCountries {
    /// Reads the file that the settings name, if they name one. One that cannot be read keeps the service from starting.
    pub(crate) async fn open(settings: &GeoSettings) -> Result<Option<(Countries, Self)>, SettingError> {
        if settings.file.is_empty() {
            return Ok(None);
        }
        let path = PathBuf::from(&settings.file);
        let refused = |error: GeoFileError| SettingError {
            setting: "geo.file",
            rule: "must be a file of `first address,last address,country`",
            found: format!("{}: {error}", settings.file),
        };
        let (countries, seen) = read(path.clone()).await.map_err(refused)?;
        let interval = settings.reload_interval();
        let reload = Self { path, interval, seen };
        Ok(Some((countries, reload)))
    }

    /// Until the drain begins. A file that cannot be used changes nothing.
    pub(crate) async fn run(mut self, visits: Arc<Visits>, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            match self.look().await {
                Ok(None) => {}
                Ok(Some(countries)) => {
                    tracing::info!(ranges = countries.len(), "the file of countries was read again");
                    visits.know(countries);
                }
                Err(error) => {
                    tracing::warn!(%error, setting = "shortener.geo.file", "the file of countries cannot be used; the former one still is");
                }
            }
        }
    }

    /// The countries, if the file has changed. What cannot be used is said once, not at each look.
    async fn look(&mut self) -> Result<Option<Countries>, GeoFileError> {
        let path = self.path.clone();
        let now = blocking(move || seen(&File::open(path)?)).await;
        // While a file is replaced there may be none for a moment.
        let Ok(now) = now else { return Ok(None) };
        if now == self.seen {
            return Ok(None);
        }
        self.seen = now;
        let (countries, seen) = read(self.path.clone()).await?;
        self.seen = seen;
        Ok(Some(countries))
    }
}

fn seen(file: &File) -> std::io::Result<Seen> {
    let metadata = file.metadata()?;
    Ok(Seen {
        changed: metadata.modified().ok(),
        bytes: metadata.len(),
    })
}

/// What it was is asked before it is read: a change meanwhile is seen at the next look.
async fn read(path: PathBuf) -> Result<(Countries, Seen), GeoFileError> {
    let unreadable = |error: std::io::Error| GeoFileError::Read(error.to_string());
    blocking(move || {
        let file = File::open(path).map_err(unreadable)?;
        let seen = seen(&file).map_err(unreadable)?;
        Ok((Countries::read(BufReader::new(file))?, seen))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("reading a file does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::Country;

    fn settings(path: &std::path::Path) -> GeoSettings {
        GeoSettings {
            file: path.display().to_string(),
            ..GeoSettings::default()
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_a_broken_one_and_a_missing_one_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countries.csv");
        std::fs::write(&path, "192.0.2.0,192.0.2.255,DE\n").unwrap();
        let (countries, mut reload) = ReloadCountries::open(&settings(&path)).await.unwrap().unwrap();
        let country = |countries: &Countries| countries.country("192.0.2.1".parse().unwrap());
        assert_eq!(country(&countries), Country::parse("DE"));
        assert!(reload.look().await.unwrap().is_none());
        std::fs::write(&path, "192.0.2.0,192.0.2.255,broken,\nx\n").unwrap();
        reload.look().await.unwrap_err();
        assert!(reload.look().await.unwrap().is_none(), "said once");
        std::fs::remove_file(&path).unwrap();
        assert!(reload.look().await.unwrap().is_none());
        std::fs::write(&path, "192.0.2.0,192.0.2.127,FR\n").unwrap();
        let countries = reload.look().await.unwrap().unwrap();
        assert_eq!(country(&countries), Country::parse("FR"));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_at_the_start_names_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let error = ReloadCountries::open(&settings(&folder.path().join("none.csv")))
            .await
            .err()
            .unwrap();
        assert_eq!(error.setting, "geo.file");
        assert!(
            ReloadCountries::open(&GeoSettings::default())
                .await
                .unwrap()
                .is_none()
        );
    }
}
