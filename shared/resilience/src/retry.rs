//! Trying again, carefully.

use std::future::Future;
use std::time::Duration;

use clock::Clock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Deadline, RetryBudget};

/// An error that knows whether the same operation may succeed later.
pub trait Retryable {
    /// True only for what passes by itself: a refused connection, a full queue, a busy lock.
    fn retryable(&self) -> bool;
}

/// What doing an operation twice does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Twice is once: a read, a delete by key, a write with an idempotency key.
    Idempotent,
    /// Twice is twice. Never retried.
    Once,
}

/// How often, and with what pauses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// The longest first pause; it doubles with each attempt.
    pub base_ms: u64,
    /// The longest pause.
    pub cap_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            base_ms: 20,
            cap_ms: 1_000,
        }
    }
}

impl RetryPolicy {
    /// The longest pause after attempt number `attempt` (the first is 1).
    pub fn pause_max(&self, attempt: u32) -> Duration {
        let doubled = self
            .base_ms
            .saturating_mul(1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX));
        Duration::from_millis(doubled.min(self.cap_ms))
    }
}

/// Runs `op` until it succeeds or trying again is not allowed; gives the last error.
///
/// `op` gets the attempt's number, from 1. Without a `deadline` the [current](Deadline::current) one holds.
pub async fn retry<T, E, F, Fut>(
    policy: &RetryPolicy,
    budget: &RetryBudget,
    clock: &dyn Clock,
    deadline: Option<Deadline>,
    effect: Effect,
    mut op: F,
) -> Result<T, E>
where
    F: FnMut(u32) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Retryable,
{
    let deadline = deadline.or_else(Deadline::current);
    budget.deposit();
    let mut attempt = 1;
    loop {
        let error = match op(attempt).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if effect == Effect::Once || attempt >= policy.attempts_max || !error.retryable() {
            return Err(error);
        }
        let pause = full_jitter(policy.pause_max(attempt));
        // A retry that would end after the deadline is work nobody waits for.
        if deadline.is_some_and(|deadline| deadline.remaining(clock) <= pause) || !budget.withdraw() {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

fn full_jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use clock::ManualClock;

    use super::*;
    use crate::BudgetSettings;

    #[derive(Debug, PartialEq)]
    struct Failure {
        retryable: bool,
    }

    impl Retryable for Failure {
        fn retryable(&self) -> bool {
            self.retryable
        }
    }

    struct Bench {
        policy: RetryPolicy,
        budget: RetryBudget,
        clock: Arc<ManualClock>,
        attempts: Cell<u32>,
    }

    impl Bench {
        fn new(saved: u32) -> Self {
            let clock = ManualClock::at(0);
            let settings = BudgetSettings {
                percent_of_requests: 0,
                per_second_min: saved,
                saved_max: saved,
            };
            Self {
                policy: RetryPolicy {
                    attempts_max: 4,
                    base_ms: 1,
                    cap_ms: 2,
                },
                budget: RetryBudget::new(settings, clock.clone()),
                clock,
                attempts: Cell::new(0),
            }
        }

        async fn run(
            &self,
            effect: Effect,
            deadline: Option<Deadline>,
            retryable: bool,
        ) -> Result<(), Failure> {
            retry(
                &self.policy,
                &self.budget,
                &*self.clock,
                deadline,
                effect,
                |attempt| {
                    assert_eq!(attempt, self.attempts.get() + 1);
                    self.attempts.set(attempt);
                    async move { Err(Failure { retryable }) }
                },
            )
            .await
        }
    }

    #[tokio::test]
    async fn an_idempotent_operation_is_tried_as_often_as_the_policy_allows() {
        let bench = Bench::new(50);
        assert_eq!(
            bench.run(Effect::Idempotent, None, true).await,
            Err(Failure { retryable: true })
        );
        assert_eq!(bench.attempts.get(), 4);
    }

    #[tokio::test]
    async fn an_operation_that_is_not_idempotent_is_never_retried() {
        let bench = Bench::new(50);
        bench.run(Effect::Once, None, true).await.unwrap_err();
        assert_eq!(bench.attempts.get(), 1);
    }

    #[tokio::test]
    async fn an_error_that_is_not_retryable_is_final() {
        let bench = Bench::new(50);
        bench.run(Effect::Idempotent, None, false).await.unwrap_err();
        assert_eq!(bench.attempts.get(), 1);
    }

    #[tokio::test]
    async fn an_empty_budget_ends_the_retries() {
        let bench = Bench::new(2);
        bench.run(Effect::Idempotent, None, true).await.unwrap_err();
        assert_eq!(bench.attempts.get(), 3);
    }

    #[tokio::test]
    async fn nothing_is_retried_past_the_deadline() {
        let bench = Bench::new(50);
        let over = Deadline::after(&*bench.clock, Duration::ZERO);
        bench.run(Effect::Idempotent, Some(over), true).await.unwrap_err();
        assert_eq!(bench.attempts.get(), 1);
        bench.attempts.set(0);
        over.scope(bench.run(Effect::Idempotent, None, true))
            .await
            .unwrap_err();
        assert_eq!(bench.attempts.get(), 1, "the task's own deadline holds too");
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_never_overflow() {
        let policy = RetryPolicy {
            attempts_max: 100,
            base_ms: 20,
            cap_ms: 1_000,
        };
        let pauses: Vec<_> = (1..=7)
            .map(|attempt| policy.pause_max(attempt).as_millis())
            .collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_000]);
        assert_eq!(policy.pause_max(u32::MAX), Duration::from_secs(1));
        assert!((0..1_000).all(|_| full_jitter(policy.pause_max(3)) <= policy.pause_max(3)));
    }
}
