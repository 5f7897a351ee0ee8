//! Everything that moves money: once a key, whoever asks however often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idempotency::{Fingerprint, IdempotencyError, IdempotencyKey, Outcome};
use sha2::{Digest as _, Sha256};

use crate::charge::{Change, Charge, Status};
use crate::error::ProcessorError;
use crate::http::App;
use crate::method::{Verdict, verdict};
use crate::store::{Answer, Attempt, KeyHash, Performed, Tell};

/// A charge as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct NewCharge {
    pub(crate) reference: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) method: String,
    pub(crate) capture: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Charge(NewCharge),
    Change(Change),
}

/// The SHA-256 of a key: what is kept of it.
pub(crate) fn key_hash(key: &IdempotencyKey) -> KeyHash {
    Sha256::digest(key.as_str()).into()
}

/// References of charges that are being made in this process.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashMap<String, u32>>);

impl UnderWay {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, reference: &str) -> bool {
        self.counts().contains_key(reference)
    }

    fn enter(&self, reference: &str) -> Entered<'_> {
        *self.counts().entry(reference.to_owned()).or_default() += 1;
        Entered {
            under_way: self,
            reference: reference.to_owned(),
        }
    }
}

/// Leaves however the work ends.
struct Entered<'a> {
    under_way: &'a UnderWay,
    reference: String,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut counts = self.under_way.counts();
        if let Some(count) = counts.get_mut(&self.reference) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.reference);
            }
        }
    }
}

/// Does what is asked for under a key, or gives the answer that the first request with that key got. Run it in an owned task.
pub(crate) async fn perform(
    app: &App,
    key: &IdempotencyKey,
    fingerprint: Fingerprint,
    asked: &Asked,
) -> Result<Outcome<Charge>, ProcessorError> {
    let key = key_hash(key);
    let _under_way = match asked {
        Asked::Charge(new) => Some(app.under_way.enter(&new.reference)),
        Asked::Change(_) => None,
    };
    let outcome = app
        .in_flight
        .run(key, fingerprint, || decide(app, key, fingerprint, asked))
        .await?;
    count(app, asked, &outcome);
    let replayed = outcome.is_replay();
    match outcome.get() {
        Answer::Refused(refusal) => Err((*refusal).into()),
        Answer::Done(charge) if replayed => Ok(Outcome::Replayed(charge.clone())),
        Answer::Done(charge) => Ok(Outcome::Fresh(charge.clone())),
    }
}

async fn decide(
    app: &App,
    key: KeyHash,
    fingerprint: Fingerprint,
    asked: &Asked,
) -> Result<Outcome<Answer>, ProcessorError> {
    // No fault hits a repeat: what it is answered is settled.
    let known = app.store.recall(&key, app.clock.unix_ms()).await?.is_some();
    let delay_ms = app.faults.now().delay_ms;
    if !known && delay_ms > 0 {
        app.metrics.fault("delay");
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    let at_ms = app.clock.unix_ms();
    let change = match asked {
        Asked::Change(change) => change.clone(),
        Asked::Charge(new) => opened(app, new, at_ms, known)?,
    };
    let tell = (!known && is_told(&change)).then(|| tell(app, at_ms)).flatten();
    let told = tell.is_some();
    let attempt = Attempt {
        key,
        fingerprint: *fingerprint.as_bytes(),
        expires_at_ms: at_ms.saturating_add(app.rules.keys_kept_ms),
        movement_id: movement_id(&change),
        change,
        at_ms,
        tell,
    };
    match app.store.perform(&attempt).await? {
        Performed::Fresh(answer) => {
            if told {
                app.webhook_made.notify_one();
            }
            Ok(Outcome::Fresh(answer))
        }
        Performed::Replayed(answer) => Ok(Outcome::Replayed(answer)),
        Performed::Mismatch => Err(IdempotencyError::Mismatch.into()),
    }
}

fn opened(app: &App, new: &NewCharge, at_ms: u64, known: bool) -> Result<Change, ProcessorError> {
    let verdict = verdict(&new.method).ok_or(ProcessorError::MethodUnknown)?;
    let decline_code = match verdict {
        Verdict::Declined(code) => Some(code),
        Verdict::Approved if !known && app.faults.declines() => {
            app.metrics.fault("decline");
            Some("card_declined")
        }
        Verdict::Approved => None,
    };
    let charge = Charge {
        id: random_id("ch"),
        reference: new.reference.clone(),
        amount: new.amount,
        currency: new.currency.clone(),
        method: new.method.clone(),
        status: decline_code.map_or(Status::Authorized, |_| Status::Declined),
        captured: 0,
        refunded: 0,
        decline_code: decline_code.map(str::to_owned),
        created_at_ms: at_ms,
        updated_at_ms: at_ms,
    };
    Ok(Change::Open {
        charge,
        capture: new.capture,
    })
}

/// Whether somebody is told if it succeeds.
fn is_told(change: &Change) -> bool {
    match change {
        Change::Open { charge, capture } => *capture || charge.status == Status::Declined,
        Change::Capture { .. } | Change::Refund { .. } => true,
        Change::Void { .. } => false,
    }
}

fn tell(app: &App, at_ms: u64) -> Option<Tell> {
    app.rules.webhook_url.as_ref()?;
    let delivery = app.faults.delivery();
    Some(Tell {
        id: random_id("evt"),
        copies: delivery.copies,
        due_at_ms: at_ms.saturating_add(delivery.held_back_ms),
    })
}

fn movement_id(change: &Change) -> String {
    let is_refund = matches!(change, Change::Refund { .. });
    random_id(if is_refund { "re" } else { "cp" })
}

fn random_id(prefix: &str) -> String {
    format!("{prefix}_{:032x}", rand::random::<u128>())
}

fn count(app: &App, asked: &Asked, outcome: &Outcome<Answer>) {
    let settled = match (outcome.is_replay(), outcome.get()) {
        (true, _) => "replayed",
        (false, Answer::Refused(_)) => "refused",
        (false, Answer::Done(_)) => "done",
    };
    let change = match asked {
        Asked::Charge(_) => {
            let made = match outcome.get() {
                Answer::Done(charge) if !outcome.is_replay() => charge.status.name(),
                _ => settled,
            };
            return app.metrics.charge(made);
        }
        Asked::Change(Change::Capture { .. }) => "capture",
        Asked::Change(Change::Refund { .. }) => "refund",
        Asked::Change(Change::Void { .. } | Change::Open { .. }) => "void",
    };
    app.metrics.change(change, settled);
}
