//! `orrery dlq`: the events that were given up, looked at and published again.

use std::sync::Arc;

use streams::{DeadLetter, StreamLog};

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::cli::DlqAction;
use crate::settings::Settings;

/// Dead letters asked for at a time.
const PAGE: u32 = 100;

/// The streams that payment publishes to; every other one is the shortener's.
const PAYMENT: [&str; 2] = ["payment", "ledger"];

/// Works whether the platform runs or not, on whatever engine the `streams_url` of the stream's service names.
pub(crate) fn dlq(settings: &Settings, action: &DlqAction) -> Outcome {
    let (DlqAction::List { stream, .. } | DlqAction::Show { stream, .. } | DlqAction::Replay { stream, .. }) =
        action;
    let is_payments = PAYMENT.contains(&stream.as_str());
    log_is_there(if is_payments {
        &settings.payment.streams_url
    } else {
        &settings.shortener.streams_url
    })?;
    on_workbench(async |bench: &Workbench| {
        let (telemetry, clock) = (&bench.telemetry, &bench.clock);
        let log = if is_payments {
            let opened = payment::open_log(&settings.payment, telemetry, clock).await;
            opened.map_err(|error| error.to_string())?
        } else {
            let opened = shortener::open_log(&settings.shortener, telemetry, clock).await;
            opened.map_err(|error| error.to_string())?
        };
        match action {
            DlqAction::List { stream, all, limit } => list(&log, stream, *all, *limit).await,
            DlqAction::Show { id, stream } => show(&log, stream, *id).await,
            DlqAction::Replay { ids, all, stream } => {
                if !*all {
                    return replay(&log, ids).await;
                }
                let ids = waiting(&log, stream).await?;
                if ids.is_empty() {
                    println!("no dead letters wait in `{stream}`");
                }
                replay(&log, &ids).await
            }
        }
    })
}

/// A look must not make a file, least of all where somebody mistyped a folder.
pub(super) fn log_is_there(url: &str) -> Outcome {
    // Whether the URL itself is sound is said by whoever opens it.
    match sql::sqlite_path(url) {
        Ok(path) if !path.is_file() => Err(format!(
            "there is no stream at {}: start the platform first, or name its folder with --data DIR",
            path.display()
        )
        .into()),
        _ => Ok(()),
    }
}

type Log = Arc<dyn StreamLog>;

/// Every page from `after` on, until `take` has had enough.
async fn letters(
    log: &Log,
    stream: &str,
    after: u64,
    mut take: impl FnMut(DeadLetter) -> bool,
) -> Result<(), String> {
    let mut after = Some(after);
    while let Some(from) = after {
        let page = log.dead_letters(stream, from, PAGE).await.map_err(said)?;
        for letter in page.items {
            if !take(letter) {
                return Ok(());
            }
        }
        after = page.next;
    }
    Ok(())
}

async fn list(log: &Log, stream: &str, all: bool, limit: usize) -> Result<(), String> {
    let mut printed = 0;
    letters(log, stream, 0, |letter| {
        if printed < limit && (all || letter.replayed_ms.is_none()) {
            printed += 1;
            println!("{}", line(&letter));
        }
        printed < limit
    })
    .await?;
    if printed == 0 && all {
        println!("no dead letters in `{stream}`");
    } else if printed == 0 {
        println!("no dead letters wait in `{stream}`; --all shows those that were replayed");
    }
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let state = if letter.replayed_ms.is_some() {
        "replayed"
    } else {
        "waiting"
    };
    format!(
        "{:<6} {:<9} {} group={} deliveries={} type={} event={} reason={}",
        letter.id,
        state,
        moment(letter.died_ms),
        letter.group,
        letter.deliveries,
        letter.event.kind,
        letter.event.id,
        letter.reason,
    )
}

fn moment(unix_ms: u64) -> String {
    use time::format_description::well_known::Rfc3339;
    let nanos = i128::from(unix_ms) * 1_000_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_ms.to_string())
}

async fn show(log: &Log, stream: &str, id: u64) -> Result<(), String> {
    // Lists begin after an id, so the one before it finds it.
    let before = id.checked_sub(1).ok_or("ids of dead letters count from 1")?;
    let page = log.dead_letters(stream, before, 1).await.map_err(said)?;
    let letter = page.items.into_iter().find(|letter| letter.id == id);
    let letter = letter.ok_or_else(|| format!("no dead letter {id} in `{stream}`"))?;
    let text = serde_json::to_string_pretty(&letter).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

async fn waiting(log: &Log, stream: &str) -> Result<Vec<u64>, String> {
    let mut ids = Vec::new();
    letters(log, stream, 0, |letter| {
        if letter.replayed_ms.is_none() {
            ids.push(letter.id);
        }
        true
    })
    .await?;
    Ok(ids)
}

/// Each by itself: one that fails keeps none of the others back.
async fn replay(log: &Log, ids: &[u64]) -> Result<(), String> {
    let mut failed = 0;
    for id in ids {
        match log.replay(*id).await {
            Ok(()) => println!("{id} replayed"),
            Err(error) => {
                failed += 1;
                eprintln!("{id} not replayed: {error}");
            }
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of {} were not replayed", ids.len()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn said(error: streams::StreamError) -> String {
    error.to_string()
}
