//! The scrape itself.

use prometheus_client::registry::Registry;

use crate::error::TelemetryError;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn encode(
    registry: &Registry,
    _accept: Option<&str>,
) -> Result<(String, Vec<u8>), TelemetryError> {
    let mut body = String::new();
    prometheus_client::encoding::text::encode(&mut body, registry)?;
    Ok((OPEN_METRICS.to_owned(), body.into_bytes()))
}
