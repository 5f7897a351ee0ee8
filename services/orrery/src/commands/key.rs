//! `orrery key`: API keys of machine clients. Works whether the platform runs or not: whoever may read the issuer's database
//! may make them.

use issuer::store::{ApiKeyRecord, ClientRecord};
use issuer::{Credentials, IssuerError, KeyRequest, LISTED_MAX};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Workbench, on_workbench, token};
use crate::Outcome;
use crate::cli::KeyAction;
use crate::settings::Settings;

/// Does it, and prints what came of it.
pub(crate) fn key(settings: &Settings, action: &KeyAction) -> Outcome {
    token::issuer_is_there(settings)?;
    on_workbench(async |bench: &Workbench| {
        let credentials = Credentials::open(&settings.issuer, &bench.telemetry, &bench.clock).await?;
        let done = act(&credentials, action, bench.clock.unix_ms()).await;
        credentials.close().await;
        done
    })
}

async fn act(credentials: &Credentials, action: &KeyAction, now_ms: u64) -> Result<(), IssuerError> {
    match action {
        KeyAction::Create {
            tenant,
            tenant_name,
            client,
            scopes,
            expires_days,
        } => {
            let request = KeyRequest {
                tenant,
                display_name: tenant_name.as_deref(),
                client,
                scopes,
                expires_days: *expires_days,
            };
            let made = credentials.create(&request).await?;
            // Two lines that a shell can take as they are; what a person should know goes beside them.
            println!("client_id={}\nclient_secret={}", made.client.id, made.text);
            eprintln!(
                "key {} of client {} may {}; expires {}; it is not shown again",
                made.id,
                made.client.name,
                made.client.scopes,
                made.expires_ms.map_or_else(|| "never".to_owned(), date)
            );
        }
        KeyAction::List { tenant } => {
            let keys = credentials.list(tenant).await?;
            print!("{}", table(&keys, now_ms));
            if keys.len() >= LISTED_MAX as usize {
                eprintln!("these are the newest {LISTED_MAX}; older ones are not shown");
            }
        }
        KeyAction::Revoke { tenant, key } => {
            credentials.revoke(tenant, key).await?;
            println!("key {key} is revoked; tokens it got before end within 15 minutes");
        }
        KeyAction::Disable { tenant, client } => {
            credentials.set_enabled(tenant, client, false).await?;
            println!("client {client} is disabled with all its keys");
        }
        KeyAction::Enable { tenant, client } => {
            credentials.set_enabled(tenant, client, true).await?;
            println!("client {client} is enabled");
        }
    }
    Ok(())
}

/// One line a key below a line of titles, in columns as wide as what stands in them.
fn table(keys: &[(ApiKeyRecord, ClientRecord)], now_ms: u64) -> String {
    let titles = [
        "KEY",
        "CLIENT",
        "CLIENT ID",
        "SCOPES",
        "CREATED",
        "EXPIRES",
        "STATE",
    ];
    let mut lines = vec![titles.map(str::to_owned)];
    for (key, client) in keys {
        lines.push([
            key.id.clone(),
            client.name.to_string(),
            client.id.to_string(),
            client.scopes.iter().collect::<Vec<_>>().join(","),
            date(key.created_ms),
            key.expires_ms.map_or_else(|| "never".to_owned(), date),
            state(key, client, now_ms).to_owned(),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn state(key: &ApiKeyRecord, client: &ClientRecord, now_ms: u64) -> &'static str {
    if key.revoked_ms.is_some() {
        "revoked"
    } else if !key.is_live(now_ms) {
        "expired"
    } else if client.disabled_ms.is_some() {
        "disabled"
    } else {
        "live"
    }
}

fn date(ms: u64) -> String {
    let nanos = i128::from(ms / 1_000) * 1_000_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}
