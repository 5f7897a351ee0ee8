//! What an answer of the processor means for a saga.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use crate::protocol::saga::{Answer, Charge, ChargeStatus};

/// A charge as the processor writes it. What is not needed is not read.
#[derive(Debug, Deserialize)]
pub(super) struct ChargeBody {
    id: String,
    reference: String,
    amount: Minor,
    status: String,
    #[serde(alias = "captured_amount")]
    captured: Minor,
    #[serde(alias = "refunded_amount")]
    refunded: Minor,
    decline_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChargeList {
    pub(super) charges: Vec<ChargeBody>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
}

/// Minor units, 0 included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Minor(i64);

impl TryFrom<String> for Minor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = text.parse().map_err(|_| "a count of minor units")?;
        if number < 0 {
            return Err("a count of minor units");
        }
        Ok(Self(number))
    }
}

/// The longest code of a declined charge that is kept.
const CODE_BYTES_MAX: usize = 64;

/// What the processor says when it certainly did nothing and never will under this key. Anything else in the way may answer with a status of 4xx, and
/// with a problem document too: none of it has these codes. `not_found` is not among them, for everybody says so; a lookup tells.
const REFUSALS: [&str; 9] = [
    "amount_too_large",
    "card_declined",
    "card_number_refused",
    "charge_not_capturable",
    "charge_not_refundable",
    "charge_not_voidable",
    "invalid_request",
    "method_unknown",
    "refund_failed",
];

impl ChargeBody {
    pub(super) fn is_of(&self, reference: &str) -> bool {
        self.reference == reference
    }

    pub(super) fn into_charge(self) -> Option<Charge> {
        let status = match self.status.as_str() {
            "authorized" => ChargeStatus::Authorized,
            "captured" | "partially_refunded" | "refunded" => ChargeStatus::Captured,
            "voided" | "expired" => ChargeStatus::Voided,
            "declined" | "failed" => ChargeStatus::Declined,
            _ => return None,
        };
        Some(Charge {
            id: self.id,
            status,
            amount: self.amount.0,
            captured: self.captured.0,
            refunded: self.refunded.0,
        })
    }
}

/// Of an act. Only what the processor itself says it did not do is a refusal; what cannot be read is unknown.
pub(super) fn of_act(status: StatusCode, body: &Bytes) -> Answer {
    if status.is_success() {
        let charge = serde_json::from_slice::<ChargeBody>(body).ok();
        let declined = charge.as_ref().and_then(|charge| charge.decline_code.clone());
        return match charge.and_then(ChargeBody::into_charge) {
            Some(charge) if charge.status == ChargeStatus::Declined => refused(
                &declined
                    .filter(|code| is_code(code))
                    .unwrap_or_else(|| "card_declined".to_owned()),
            ),
            Some(charge) => Answer::Done(Some(charge)),
            None => Answer::Unknown,
        };
    }
    match status.as_u16() {
        // It does not know us: it did nothing, and will when the operator has seen to it.
        401 | 403 => Answer::Unavailable,
        // Too slow, still at it, too many: whether an earlier copy had its effect is not said.
        408 | 409 | 425 | 429 => Answer::Unknown,
        400..=499 => code(body).map_or(Answer::Unknown, refused),
        _ => Answer::Unknown,
    }
}

/// Of a lookup. Only a list is the processor's word: that nothing stands there is an empty one.
pub(super) fn of_look_up(status: StatusCode, body: &Bytes, reference: &str) -> Answer {
    if status != StatusCode::OK {
        return Answer::Unknown;
    }
    let Ok(list) = serde_json::from_slice::<ChargeList>(body) else {
        return Answer::Unknown;
    };
    match list.charges.into_iter().find(|charge| charge.is_of(reference)) {
        None => Answer::NotFound,
        Some(charge) => charge.into_charge().map_or(Answer::Unknown, Answer::Found),
    }
}

fn refused(code: &str) -> Answer {
    Answer::Refused {
        code: code.to_owned(),
    }
}

/// The processor's code, where it is one: it is shown to clients and kept.
fn code(body: &Bytes) -> Option<&'static str> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    REFUSALS.into_iter().find(|known| *known == refusal.code)
}

fn is_code(code: &str) -> bool {
    (1..=CODE_BYTES_MAX).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !card_numbers::is_in(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: &str = r#"{"id":"ch_1","reference":"payment/7","amount":"700","currency":"EUR","status":"captured",
        "captured_amount":"700","refunded_amount":"0"}"#;

    fn act(status: u16, body: &str) -> Answer {
        of_act(
            StatusCode::from_u16(status).unwrap(),
            &Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    #[test]
    fn only_a_refusal_that_certainly_did_nothing_is_one() {
        assert!(matches!(act(201, CHARGE), Answer::Done(Some(_))));
        assert_eq!(act(402, r#"{"code":"card_declined"}"#), refused("card_declined"));
        assert_eq!(act(422, r#"{"code":"refund_failed"}"#), refused("refund_failed"));
        // Whatever stands between us and the processor may say these.
        for (status, body) in [
            (404, r#"{"code":"not_found"}"#),
            (404, "<html>no such route</html>"),
            (413, r#"{"code":"body_too_large"}"#),
            (422, "no JSON"),
            (402, r#"{"code":"4242424242424242"}"#),
        ] {
            assert_eq!(act(status, body), Answer::Unknown, "{status} {body}");
        }
        for status in [408, 409, 429, 500, 502, 503, 504] {
            assert_eq!(act(status, "{}"), Answer::Unknown, "{status}");
        }
        assert_eq!(act(200, "half an ans"), Answer::Unknown);
        assert_eq!(act(401, "{}"), Answer::Unavailable);
    }

    #[test]
    fn a_lookup_finds_only_what_has_the_reference() {
        let look = |status: u16, body: String| {
            of_look_up(
                StatusCode::from_u16(status).unwrap(),
                &Bytes::from(body),
                "payment/7",
            )
        };
        assert!(matches!(
            look(200, format!(r#"{{"charges":[{CHARGE}]}}"#)),
            Answer::Found(_)
        ));
        let other = CHARGE.replace("payment/7", "payment/77");
        assert_eq!(look(200, format!(r#"{{"charges":[{other}]}}"#)), Answer::NotFound);
        assert_eq!(look(200, r#"{"charges":[]}"#.to_owned()), Answer::NotFound);
        assert_eq!(look(404, String::new()), Answer::Unknown);
        assert_eq!(look(404, r#"{"charges":[]}"#.to_owned()), Answer::Unknown);
        assert_eq!(look(500, String::new()), Answer::Unknown);
        assert_eq!(look(200, "[]".to_owned()), Answer::Unknown);
    }
}
