//! What became of a request whose answer nobody heard.

use idempotency::IdempotencyKey;

use super::perform::key_hash;
use crate::charge::{Charge, Movement, Refusal};
use crate::error::ProcessorError;
use crate::http::App;
use crate::store::Answer;

/// The charges of a reference, newest first. Where there is none and one is being made in this process, it is [`ProcessorError::InFlight`]:
/// "none" would be believed.
pub(crate) async fn by_reference(
    app: &App,
    reference: &str,
    limit: u32,
) -> Result<Vec<Charge>, ProcessorError> {
    // Asked first: a charge that is made in between is found below.
    let under_way = app.under_way.has(reference);
    let charges = app.store.by_reference(reference, limit).await?;
    if charges.is_empty() && under_way {
        return Err(ProcessorError::InFlight);
    }
    Ok(charges)
}

/// The charge that a key was answered with, as it stands now.
pub(crate) async fn by_key(app: &App, key: &IdempotencyKey) -> Result<Vec<Charge>, ProcessorError> {
    let known = app.store.recall(&key_hash(key), app.clock.unix_ms()).await?;
    match known {
        Some(Answer::Done(charge)) => Ok(app.store.charge(&charge.id).await?.into_iter().collect()),
        Some(Answer::Refused(_)) | None => Ok(Vec::new()),
    }
}

/// A charge with its refunds.
pub(crate) async fn by_id(app: &App, id: &str) -> Result<(Charge, Vec<Movement>), ProcessorError> {
    let charge = app.store.charge(id).await?.ok_or(Refusal::NotFound)?;
    let refunds = app.store.refunds(id, app.rules.list_max).await?;
    Ok((charge, refunds))
}
