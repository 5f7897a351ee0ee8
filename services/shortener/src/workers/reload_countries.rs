//! Reads the file of countries again when it has changed.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use server::Drain;

use super::changed_file::ChangedFile;
use crate::config::{GeoSettings, SettingError};
use crate::visit::Observer;
use crate::visit::geo::{Countries, GeoFileError};

/// The file of countries, looked at at an interval.
pub(crate) struct ReloadCountries {
    file: ChangedFile,
    interval: Duration,
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
        let (countries, file) = ChangedFile::open(path, parse).await.map_err(refused)?;
        let interval = settings.reload_interval();
        Ok(Some((countries, Self { file, interval })))
    }

    /// Until the drain begins. A file that cannot be used changes nothing.
    pub(crate) async fn run(mut self, visits: Arc<Observer>, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            match self.file.look(parse).await {
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
}

fn parse(file: File) -> Result<Countries, GeoFileError> {
    Countries::read(BufReader::new(file))
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
        assert!(reload.file.look(parse).await.unwrap().is_none());
        std::fs::write(&path, "192.0.2.0,192.0.2.255,broken,\nx\n").unwrap();
        reload.file.look(parse).await.unwrap_err();
        assert!(reload.file.look(parse).await.unwrap().is_none(), "said once");
        std::fs::remove_file(&path).unwrap();
        reload.file.look(parse).await.unwrap_err();
        assert!(reload.file.look(parse).await.unwrap().is_none(), "said once");
        std::fs::write(&path, "192.0.2.0,192.0.2.127,FR\n").unwrap();
        let countries = reload.file.look(parse).await.unwrap().unwrap();
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
