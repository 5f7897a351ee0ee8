//! What every scrape says about the process and about telemetry itself.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::export::ExportCounters;

pub(crate) fn register_process(_registry: &mut Registry, _service_name: &'static str, _instance_id: &str) {}

pub(crate) fn register_export(_registry: &mut Registry, _counters: Arc<ExportCounters>) {}
