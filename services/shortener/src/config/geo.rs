//! Settings of where visits come from.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;

/// How the country of a visit is found. Without any of these it is not known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeoSettings {
    /// A request header that names the country, such as `CF-IPCountry`; empty: none. Only where something in front of the gateway sets it and
    /// lets no client's through.
    pub country_header: String,
    /// A file of countries by address: `first address,last address,country` a line, as DB-IP's "IP to Country Lite" in CSV; empty: none.
    pub file: String,
    /// How often it is looked whether the file has changed, in milliseconds.
    pub reload_interval_ms: u64,
}

impl Default for GeoSettings {
    fn default() -> Self {
        Self {
            country_header: String::new(),
            file: String::new(),
            reload_interval_ms: 60_000,
        }
    }
}

impl GeoSettings {
    /// The header that names the country.
    pub(crate) fn header(&self) -> Result<Option<HeaderName>, SettingError> {
        if self.country_header.is_empty() {
            return Ok(None);
        }
        let name = HeaderName::from_bytes(self.country_header.as_bytes());
        name.map(Some).map_err(|_| SettingError {
            setting: "geo.country_header",
            rule: "must be the name of a header",
            found: self.country_header.clone(),
        })
    }

    pub(crate) fn reload_interval(&self) -> Duration {
        Duration::from_millis(self.reload_interval_ms.max(1))
    }
}
