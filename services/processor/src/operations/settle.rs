//! Settlements: what was taken and sent back on a day (UTC).

use sha2::{Digest as _, Sha256};

use crate::charge::Movement;
use crate::error::ProcessorError;
use crate::faults::PPM_MAX;
use crate::http::App;
use crate::moment::DAY_MS;
use crate::store::{After, Day};

/// Lines that are read at a time.
const LINES_AT_ONCE: u32 = 1_000;

/// Up to when (unix ms) days are published: those that ended at least the delay ago, and today where the settings say so.
fn published_until_ms(app: &App) -> u64 {
    let now_ms = app.clock.unix_ms();
    if app.rules.settlement_of_today {
        return (now_ms / DAY_MS + 1) * DAY_MS;
    }
    now_ms.saturating_sub(app.rules.settlement_delay_ms) / DAY_MS * DAY_MS
}

/// The published days on which something moved, latest first.
pub(crate) async fn days(app: &App, limit: u32) -> Result<Vec<Day>, ProcessorError> {
    Ok(app.store.days(published_until_ms(app), limit).await?)
}

/// Whether a day's settlement is published.
pub(crate) fn is_published(app: &App, day: u64) -> Result<(), ProcessorError> {
    let end_ms = day.checked_add(1).and_then(|next| next.checked_mul(DAY_MS));
    match end_ms {
        Some(end_ms) if end_ms <= published_until_ms(app) => Ok(()),
        _ => Err(ProcessorError::NotPublished),
    }
}

/// Some lines of a day's settlement, and where the next begin; `None` where there are no more.
pub(crate) async fn lines(
    app: &App,
    day: u64,
    after: Option<&After>,
) -> Result<(Vec<Movement>, Option<After>), ProcessorError> {
    let from_ms = day * DAY_MS;
    let mut lines = app
        .store
        .settled(from_ms, from_ms + DAY_MS, after, LINES_AT_ONCE)
        .await?;
    let is_last = lines.len() < LINES_AT_ONCE as usize;
    let last = lines.last().filter(|_| !is_last);
    let next = last.map(|line| (line.at_ms, line.id.clone()));
    let wrong_ppm = app.faults.now().settlement_wrong_amount_ppm;
    for line in &mut lines {
        if is_wrong(&line.id, wrong_ppm) {
            line.amount += 1;
        }
    }
    Ok((lines, next))
}

/// The same lines each time: a lie that changes would be found by asking twice.
fn is_wrong(id: &str, wrong_ppm: u32) -> bool {
    let hash = Sha256::digest(id);
    let drawn = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % PPM_MAX;
    drawn < wrong_ppm
}
