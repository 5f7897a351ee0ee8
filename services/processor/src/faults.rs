//! Faults on purpose: what a third party does on its bad days. Kept in memory; a restart heals everything.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::ProcessorError;

/// The longest delay.
pub(crate) const DELAY_MS_MAX: u64 = 60_000;
/// The most effects a counted fault is set for.
pub(crate) const COUNT_MAX: u32 = 1_000_000;
/// All of them.
pub(crate) const PPM_MAX: u32 = 1_000_000;
/// How long a webhook is held back so that later ones come before it.
pub(crate) const HELD_BACK_MS: u64 = 3_000;

/// How webhooks misbehave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WebhookFault {
    /// Not at all.
    #[default]
    None,
    /// Each is delivered twice.
    Doubled,
    /// The first, and every other one after it, is held back for three seconds, so that the one after it comes first.
    OutOfOrder,
}

/// What is wrong on purpose. A count goes down by one with each request that it hits; the rest holds until it is reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Faults)]
pub(crate) struct Faults {
    /// Of a million new charges, how many are declined.
    #[schema(maximum = 1_000_000)]
    pub(crate) decline_ppm: u32,
    /// The next so many new charges are declined.
    #[schema(maximum = 1_000_000)]
    pub(crate) decline_next: u32,
    /// How long each request that moves money waits before it has its effect, though nobody may be waiting any more.
    #[schema(maximum = 60_000)]
    pub(crate) delay_ms: u64,
    /// The next so many requests that move money have their effect and no answer.
    #[schema(maximum = 1_000_000)]
    pub(crate) lose_answer_after_charge: u32,
    /// The webhooks of the next so many effects are delivered twice.
    #[schema(maximum = 1_000_000)]
    pub(crate) answer_twice: u32,
    /// How webhooks misbehave.
    pub(crate) webhooks: WebhookFault,
    /// Of a million lines of a settlement, how many have an amount that is one minor unit too high; the same ones each time.
    #[schema(maximum = 1_000_000)]
    pub(crate) settlement_wrong_amount_ppm: u32,
}

impl Faults {
    fn check(&self) -> Result<(), ProcessorError> {
        let bounded = [
            ("/decline_ppm", u64::from(self.decline_ppm), u64::from(PPM_MAX)),
            ("/decline_next", self.decline_next.into(), COUNT_MAX.into()),
            ("/delay_ms", self.delay_ms, DELAY_MS_MAX),
            (
                "/lose_answer_after_charge",
                self.lose_answer_after_charge.into(),
                COUNT_MAX.into(),
            ),
            ("/answer_twice", self.answer_twice.into(), COUNT_MAX.into()),
            (
                "/settlement_wrong_amount_ppm",
                self.settlement_wrong_amount_ppm.into(),
                PPM_MAX.into(),
            ),
        ];
        match bounded.into_iter().find(|(_, value, most)| value > most) {
            None => Ok(()),
            Some((pointer, _, most)) => Err(ProcessorError::Field {
                pointer,
                detail: format!("must be at most {most}"),
            }),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// Webhooks since out-of-order was switched on.
    told: u64,
}

/// How a webhook is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) copies: u32,
    pub(crate) held_back_ms: u64,
}

/// The faults of this process.
#[derive(Debug, Default)]
pub(crate) struct FaultControls(Mutex<State>);

impl FaultControls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are, counts as far as they went down.
    pub(crate) fn now(&self) -> Faults {
        self.state().faults
    }

    /// Replaces all of them.
    pub(crate) fn set(&self, faults: Faults) -> Result<(), ProcessorError> {
        faults.check()?;
        *self.state() = State { faults, told: 0 };
        Ok(())
    }

    /// Whether the charge that is being made is to be declined.
    pub(crate) fn declines(&self) -> bool {
        let mut state = self.state();
        let by_chance = state.faults.decline_ppm;
        count_down(&mut state.faults.decline_next)
            || (by_chance > 0 && rand::random_range(0..PPM_MAX) < by_chance)
    }

    /// Whether the answer that is ready is lost.
    pub(crate) fn loses_answer(&self) -> bool {
        count_down(&mut self.state().faults.lose_answer_after_charge)
    }

    /// How the webhook of the effect at hand is delivered. Asked once an effect that is told of.
    pub(crate) fn delivery(&self) -> Delivery {
        let mut state = self.state();
        let twice = count_down(&mut state.faults.answer_twice);
        let fault = state.faults.webhooks;
        let held = fault == WebhookFault::OutOfOrder && state.told.is_multiple_of(2);
        state.told += 1;
        Delivery {
            copies: if twice || fault == WebhookFault::Doubled {
                2
            } else {
                1
            },
            held_back_ms: if held { HELD_BACK_MS } else { 0 },
        }
    }
}

fn count_down(left: &mut u32) -> bool {
    let hits = *left > 0;
    *left = left.saturating_sub(1);
    hits
}
