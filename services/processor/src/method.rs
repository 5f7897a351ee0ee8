//! Means of payment: test tokens, named as Stripe names its own. No card is known here.

/// Tokens that are charged.
const GOOD: [&str; 11] = [
    "tok_visa",
    "tok_visa_debit",
    "tok_mastercard",
    "tok_mastercard_debit",
    "tok_mastercard_prepaid",
    "tok_amex",
    "tok_discover",
    "tok_diners",
    "tok_jcb",
    "tok_unionpay",
    "tok_refundFail",
];

/// Tokens that are declined, and why.
const DECLINED: [(&str, &str); 10] = [
    ("tok_chargeDeclined", "card_declined"),
    ("tok_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ("tok_chargeDeclinedLostCard", "lost_card"),
    ("tok_chargeDeclinedStolenCard", "stolen_card"),
    ("tok_chargeDeclinedExpiredCard", "expired_card"),
    ("tok_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
    ("tok_chargeDeclinedProcessingError", "processing_error"),
    ("tok_chargeDeclinedFraudulent", "fraudulent"),
    (
        "tok_chargeDeclinedVelocityLimitExceeded",
        "card_velocity_exceeded",
    ),
    ("tok_chargeCustomerFail", "card_declined"),
];

/// What the bank says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    Declined(&'static str),
}

/// What becomes of a token; `None` where nobody knows it.
pub(crate) fn verdict(token: &str) -> Option<Verdict> {
    if GOOD.contains(&token) {
        return Some(Verdict::Approved);
    }
    let declined = DECLINED.iter().find(|(name, _)| *name == token)?;
    Some(Verdict::Declined(declined.1))
}
