//! The risk check: plain rules, in order; the first that speaks decides. The same payment is always judged the same.
//!
//! 1. `risk_blocked_method`: the token is on the list of blocked ones. The test tokens `tok_riskLevelHighest` and `tok_stolen` always are.
//! 2. `risk_amount`: the amount is above what passes unseen.
//! 3. `risk_velocity`: the account has paid more often in the window than is usual, the payment at hand counted.

use std::collections::BTreeSet;

use super::Method;
use crate::ledger::Amount;

/// Test tokens that no processor need see.
const BLOCKED: [&str; 2] = ["tok_riskLevelHighest", "tok_stolen"];

/// What the rules go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskRules {
    /// The most that passes, in minor units.
    pub amount_max: i64,
    /// The most payments of an account in a window that pass.
    pub payments_max: u64,
    /// Tokens that are refused.
    pub blocked: BTreeSet<String>,
}

impl Default for RiskRules {
    fn default() -> Self {
        Self {
            amount_max: i64::MAX,
            payments_max: u64::MAX,
            blocked: BTreeSet::new(),
        }
    }
}

impl RiskRules {
    /// Why the payment does not pass, if it does not: a stable code.
    pub fn judge(&self, method: &Method, amount: Amount, payments_in_window: u64) -> Option<&'static str> {
        if BLOCKED.contains(&method.as_str()) || self.blocked.contains(method.as_str()) {
            return Some("risk_blocked_method");
        }
        if amount.minor() > self.amount_max {
            return Some("risk_amount");
        }
        (payments_in_window > self.payments_max).then_some("risk_velocity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_speaks_decides() {
        let rules = RiskRules {
            amount_max: 1_000,
            payments_max: 3,
            blocked: BTreeSet::from(["tok_bad".to_owned()]),
        };
        let judge = |method: &str, minor, payments| {
            rules.judge(
                &Method::parse(method).unwrap(),
                Amount::from_minor(minor).unwrap(),
                payments,
            )
        };
        assert_eq!(judge("tok_visa", 1_000, 3), None);
        assert_eq!(judge("tok_bad", 1, 1), Some("risk_blocked_method"));
        assert_eq!(
            judge("tok_riskLevelHighest", 2_000, 9),
            Some("risk_blocked_method")
        );
        assert_eq!(judge("tok_visa", 1_001, 9), Some("risk_amount"));
        assert_eq!(judge("tok_visa", 1, 4), Some("risk_velocity"));
    }
}
