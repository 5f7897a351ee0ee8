//! How many retries a client may add to the load, whatever its callers ask for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a [`RetryBudget`] is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// Retries granted for each hundred requests.
    pub percent_of_requests: u32,
    /// Retries granted each second, so that a quiet client may retry at all.
    pub per_second_min: u32,
    /// The most retries that can be saved up.
    pub saved_max: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            percent_of_requests: 10,
            per_second_min: 1,
            saved_max: 100,
        }
    }
}

/// A shared account: each request pays in a little, each retry takes out one.
#[derive(Debug)]
pub struct RetryBudget {
    settings: BudgetSettings,
    clock: SharedClock,
    account: Mutex<Account>,
}

/// Millionths of a retry: a request's share and a microsecond's share are both whole numbers of them.
#[derive(Debug)]
struct Account {
    saved: u64,
    refilled_at: Duration,
}

const ONE: u64 = 1_000_000;

impl RetryBudget {
    /// A budget with one second's worth in it.
    pub fn new(settings: BudgetSettings, clock: SharedClock) -> Self {
        let account = Account {
            saved: u64::from(settings.per_second_min.min(settings.saved_max)) * ONE,
            refilled_at: clock.monotonic(),
        };
        Self {
            settings,
            clock,
            account: Mutex::new(account),
        }
    }

    /// Records one first attempt.
    pub fn deposit(&self) {
        let share = u64::from(self.settings.percent_of_requests) * ONE / 100;
        self.with_account(|account, most| account.saved = (account.saved + share).min(most));
    }

    /// Takes out one retry; false means: do not retry.
    pub fn withdraw(&self) -> bool {
        self.with_account(|account, _| {
            let enough = account.saved >= ONE;
            if enough {
                account.saved -= ONE;
            }
            enough
        })
    }

    fn with_account<T>(&self, change: impl FnOnce(&mut Account, u64) -> T) -> T {
        let now = self.clock.monotonic();
        let most = u64::from(self.settings.saved_max) * ONE;
        // Nothing in here can panic half-way, so a poisoned account is still a right one.
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = u64::try_from(now.saturating_sub(account.refilled_at).as_micros()).unwrap_or(u64::MAX);
        let earned = passed.saturating_mul(u64::from(self.settings.per_second_min));
        account.saved = account.saved.saturating_add(earned).min(most);
        // Only whole microseconds were paid for.
        account.refilled_at = account
            .refilled_at
            .saturating_add(Duration::from_micros(passed))
            .min(now);
        change(&mut account, most)
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Request,
        Retry,
        Wait(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Request),
            4 => Just(Step::Retry),
            1 => (0..2_000_u16).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn retries_never_exceed_their_share_of_requests_plus_the_rate(
            steps in prop::collection::vec(step(), 1..400),
            percent in 0..50_u32,
            rate in 0..20_u32,
        ) {
            let clock = ManualClock::at(0);
            let settings = BudgetSettings { percent_of_requests: percent, per_second_min: rate, saved_max: 50 };
            let budget = RetryBudget::new(settings, clock.clone());
            let (mut requests, mut granted, mut waited_ms) = (0_u64, 0_u64, 0_u64);
            for step in steps {
                match step {
                    Step::Request => { budget.deposit(); requests += 1; }
                    Step::Retry => granted += u64::from(budget.withdraw()),
                    Step::Wait(ms) => {
                        clock.advance(Duration::from_millis(ms.into()));
                        waited_ms += u64::from(ms);
                    }
                }
                // In thousandths of a hundredth, to stay with whole numbers.
                let allowed = requests * u64::from(percent) * 1_000
                    + (waited_ms + 1_000) * u64::from(rate) * 100;
                prop_assert!(granted * 100_000 <= allowed, "{granted} of {requests} in {waited_ms} ms");
            }
        }

        #[test]
        fn what_is_saved_never_exceeds_its_bound(requests in 0..5_000_u32, seconds in 0..5_000_u64) {
            let clock = ManualClock::at(0);
            let budget = RetryBudget::new(BudgetSettings { saved_max: 7, ..BudgetSettings::default() }, clock.clone());
            for _ in 0..requests {
                budget.deposit();
            }
            clock.advance(Duration::from_secs(seconds));
            let granted = (0..20).filter(|_| budget.withdraw()).count();
            prop_assert!(granted <= 7);
        }
    }

    #[test]
    fn ten_requests_buy_one_retry() {
        let clock = ManualClock::at(0);
        let settings = BudgetSettings {
            per_second_min: 0,
            ..BudgetSettings::default()
        };
        let budget = RetryBudget::new(settings, clock);
        assert!(!budget.withdraw());
        for _ in 0..10 {
            budget.deposit();
        }
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
    }
}
