//! The vault, and webhooks to merchants.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use outbound::{Outbound, SystemResolver, Trust};
use server::Role;

use super::RunError;
use crate::config::Settings;
use crate::engines::Engines;
use crate::metrics::WebhookMetrics;
use crate::operations::{HookRules, Hooks};
use crate::pages::ProcessorFaults;
use crate::store::{vault as vault_store, webhooks};
use crate::vault::{Vault, open_master};
use crate::workers::{DeliverWebhooks, OverwriteTraces};

/// The vault under its master key, which is made at the first start.
pub(super) async fn vault(role: &Role, settings: &Settings, engines: &Engines) -> Result<Vault, RunError> {
    let store = vault_store::open(&engines.database);
    let file = Path::new(&settings.vault.key_file);
    let master = open_master(settings.vault.key.expose(), file, &*store).await?;
    Ok(Vault::new(store, master, role.clock.clone()))
}

/// What requests about webhooks stand on.
pub(super) fn hooks(
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    vault: Vault,
) -> Result<Hooks, RunError> {
    let rules = settings.rules()?;
    Ok(Hooks {
        store: webhooks::open(&engines.database),
        vault,
        outbound: Outbound::new(
            settings.webhooks.outbound.clone(),
            Arc::new(SystemResolver),
            Trust::System,
        ),
        ids: engines.ids.clone(),
        clock: role.clock.clone(),
        rules: HookRules {
            endpoints_max: settings.webhooks.endpoints_max,
            secret_overlap_ms: settings.webhooks.secret_overlap_ms,
            list_limit_default: rules.list_limit_default,
            list_limit_max: rules.list_limit_max,
        },
    })
}

/// Where the page switches the processor's faults on.
pub(super) fn faults(role: &Role, settings: &Settings) -> ProcessorFaults {
    let client = Client::new(
        role.telemetry.clone(),
        role.clock.clone(),
        settings.client.clone(),
    );
    let processor = &settings.processor;
    ProcessorFaults::new(client, &processor.url, processor.api_key.expose())
}

/// What rids the database's files of keys that were dropped.
pub(super) fn overwrite(settings: &Settings, hooks: &Hooks) -> OverwriteTraces {
    OverwriteTraces {
        vault: hooks.vault.clone(),
        interval: Duration::from_millis(settings.vault.overwrite_interval_ms.max(1)),
    }
}

/// What delivers them.
pub(super) fn deliver(role: &Role, settings: &Settings, hooks: &Hooks) -> DeliverWebhooks {
    DeliverWebhooks {
        store: Arc::clone(&hooks.store),
        vault: hooks.vault.clone(),
        outbound: hooks.outbound.clone(),
        clock: role.clock.clone(),
        metrics: WebhookMetrics::register(&role.telemetry),
        settings: settings.webhooks.clone(),
    }
}
