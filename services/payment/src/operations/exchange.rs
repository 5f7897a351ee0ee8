//! Exchanges: whether the amounts of two currencies agree with the rate that is recorded.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Invalid, Wrong};
use crate::ledger::{Currency, Direction, Posting};

/// Most digits of a rate on either side of its point.
const DIGITS_MAX: usize = 9;

/// An exchange: how many units of `to` one unit of `from` is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// The currency that is given.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    pub from: String,
    /// The currency that is got for it.
    #[schema(pattern = "^[A-Z]{3}$", example = "USD")]
    pub to: String,
    /// Units of `to` for one unit of `from`, exact: at most nine digits on either side of the point. What is got is what is given times
    /// this, rounded to a minor unit of `to`, half to even: no other amount is taken.
    #[schema(pattern = "^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$", example = "1.0837")]
    pub rate: String,
}

/// A rate as two integers: `digits` / 10^`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    digits: i128,
    scale: u32,
}

fn wrong(field: &str, why: &'static str) -> Wrong {
    Wrong::at(format!("/exchange{field}"), Invalid::Exchange(why))
}

impl Exchange {
    /// Whether the postings are of these two currencies and their sums agree with the rate: what is got is what is given comes to,
    /// rounded half to even, to the minor unit.
    pub(super) fn check(&self, postings: &[Posting]) -> Result<(), Wrong> {
        let from: Currency = self
            .from
            .parse()
            .map_err(|_| Wrong::at("/exchange/from", Invalid::Currency))?;
        let to: Currency = self
            .to
            .parse()
            .map_err(|_| Wrong::at("/exchange/to", Invalid::Currency))?;
        if from == to {
            return Err(wrong("/to", "an exchange is between two currencies"));
        }
        let rate = Rate::parse(&self.rate).ok_or_else(|| {
            wrong(
                "/rate",
                "a rate is a decimal number above zero, with at most nine digits on either side of the point",
            )
        })?;
        if postings
            .iter()
            .any(|posting| ![from, to].contains(&posting.currency))
        {
            return Err(wrong("", "the postings are of these two currencies and no other"));
        }
        let (given, got) = (debited(postings, from), debited(postings, to));
        if given == 0 || got == 0 {
            return Err(wrong("", "the postings are of both currencies"));
        }
        let expected = rate.comes_to(given, (from.exponent(), to.exponent()));
        if expected == Some(got) {
            return Ok(());
        }
        let expected = expected.filter(|expected| (1..=i128::from(i64::MAX)).contains(expected));
        let amounts = Invalid::ExchangeAmount {
            given,
            from,
            to,
            expected,
        };
        Err(Wrong::at("/exchange/rate", amounts))
    }
}

/// What is debited in a currency, which is what is credited: the postings balance.
fn debited(postings: &[Posting], currency: Currency) -> i128 {
    let debits = postings
        .iter()
        .filter(|posting| posting.currency == currency && posting.direction == Direction::Debit);
    debits.map(|posting| i128::from(posting.amount.minor())).sum()
}

impl Rate {
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (text, ""),
        };
        let digits = |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !digits(whole) || !digits(fraction) {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        (digits > 0).then_some(Self { digits, scale })
    }

    /// What `given` minor units come to at this rate, in minor units of the other currency, rounded half to even. In integers; `None`
    /// where it is beyond all amounts.
    fn comes_to(self, given: i128, (from_exponent, to_exponent): (u16, u16)) -> Option<i128> {
        // given / 10^from * digits / 10^scale * 10^to
        let (down, up) = (u32::from(from_exponent) + self.scale, u32::from(to_exponent));
        let over = given
            .checked_mul(self.digits)?
            .checked_mul(10_i128.checked_pow(up.saturating_sub(down))?)?;
        let under = 10_i128.checked_pow(down.saturating_sub(up))?;
        let (whole, rest) = (over / under, over % under);
        let rounds_up = match (2 * rest).cmp(&under) {
            Ordering::Less => false,
            Ordering::Equal => whole % 2 == 1,
            Ordering::Greater => true,
        };
        Some(whole + i128::from(rounds_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Amount;

    fn postings(parts: &[(u64, Direction, i64, &str)]) -> Vec<Posting> {
        parts
            .iter()
            .map(|(account, direction, amount, currency)| Posting {
                account_id: ids::Id::from_u64(*account).unwrap(),
                direction: *direction,
                amount: Amount::from_minor(*amount).unwrap(),
                currency: currency.parse().unwrap(),
            })
            .collect()
    }

    fn exchange(given: (i64, &str), got: (i64, &str), rate: &str) -> Result<(), Wrong> {
        let postings = postings(&[
            (1, Direction::Debit, given.0, given.1),
            (2, Direction::Credit, given.0, given.1),
            (3, Direction::Debit, got.0, got.1),
            (4, Direction::Credit, got.0, got.1),
        ]);
        Exchange {
            from: given.1.to_owned(),
            to: got.1.to_owned(),
            rate: rate.to_owned(),
        }
        .check(&postings)
    }

    #[test]
    fn amounts_agree_with_their_rate_by_the_exponents_of_their_currencies() {
        // 100.00 EUR at 1.0837 are 108.37 USD; at 162.34 they are 16,234 JPY; at 0.33451 they are 33.451 KWD.
        for (given, got, rate) in [
            ((10_000, "EUR"), (10_837, "USD"), "1.0837"),
            ((10_000, "EUR"), (16_234, "JPY"), "162.34"),
            ((10_000, "EUR"), (33_451, "KWD"), "0.33451"),
            ((16_234, "JPY"), (10_000, "EUR"), "0.006159911"),
            ((1, "EUR"), (1, "USD"), "1.0837"),
            // 3.608721 is nearer to 3.61.
            ((333, "EUR"), (361, "USD"), "1.0837"),
            // 1 cent is 0.01 EUR: two yen at 200, and no other amount.
            ((1, "EUR"), (2, "JPY"), "200"),
            // Halves go to the even neighbour: 0.5 would be none, 1.5 and 2.5 are 2.
            ((1, "EUR"), (2, "USD"), "1.5"),
            ((1, "EUR"), (2, "USD"), "2.5"),
            ((50, "EUR"), (2, "JPY"), "5"),
            ((5, "JPY"), (2, "EUR"), "0.005"),
            ((10, "KWD"), (2, "JPY"), "150.000000001"),
            ((i64::MAX, "EUR"), (i64::MAX, "USD"), "1"),
        ] {
            assert_eq!(exchange(given, got, rate), Ok(()), "{given:?} {got:?} {rate}");
        }
        for (given, got, rate) in [
            ((10_000, "EUR"), (10_839, "USD"), "1.0837"),
            ((10_000, "EUR"), (1_083_700, "USD"), "1.0837"),
            ((10_000, "EUR"), (1_623_400, "JPY"), "162.34"),
            ((333, "EUR"), (360, "USD"), "1.0837"),
            ((333, "EUR"), (362, "USD"), "1.0837"),
            ((1, "EUR"), (1, "JPY"), "200"),
            ((1, "EUR"), (399, "JPY"), "200"),
            ((2, "EUR"), (399, "JPY"), "200"),
            ((1, "EUR"), (1, "USD"), "1.5"),
            ((1, "EUR"), (3, "USD"), "2.5"),
            ((1, "EUR"), (1, "USD"), "0.5"),
            ((10, "KWD"), (1, "JPY"), "150.000000001"),
            ((i64::MAX, "EUR"), (1, "USD"), "999999999.999999999"),
        ] {
            let refused = exchange(given, got, rate).unwrap_err();
            assert_eq!(refused.pointer, "/exchange/rate", "{given:?} {got:?} {rate}");
        }
    }

    #[test]
    fn what_does_not_agree_with_the_rate_is_told_what_would() {
        let why = |given, got, rate| exchange(given, got, rate).unwrap_err().invalid.to_string();
        assert_eq!(
            why((1, "EUR"), (399, "JPY"), "200"),
            "at this rate 1 minor units of EUR come to 2 of JPY, rounded half to even"
        );
        assert_eq!(
            why((1, "EUR"), (1, "USD"), "0.5"),
            "at this rate 1 minor units of EUR come to no amount of USD that could move"
        );
        assert_eq!(
            why((i64::MAX, "EUR"), (1, "USD"), "2"),
            format!(
                "at this rate {} minor units of EUR come to no amount of USD that could move",
                i64::MAX
            )
        );
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for rate in [
            "",
            "0",
            "0.0",
            "-1",
            "+1",
            "1.",
            ".5",
            "01",
            "1e3",
            "1,5",
            "NaN",
            "1.0000000001",
            "1234567890",
            "٣",
        ] {
            let refused = exchange((100, "EUR"), (100, "USD"), rate).unwrap_err();
            assert_eq!(refused.pointer, "/exchange/rate", "{rate}");
        }
        assert!(exchange((100, "EUR"), (100, "EUR"), "1").is_err());
    }

    #[test]
    fn an_exchange_is_of_both_currencies_and_of_no_third() {
        let exchange = Exchange {
            from: "EUR".to_owned(),
            to: "USD".to_owned(),
            rate: "1".to_owned(),
        };
        let one = postings(&[(1, Direction::Debit, 5, "EUR"), (2, Direction::Credit, 5, "EUR")]);
        assert!(exchange.check(&one).is_err());
        let third = postings(&[(1, Direction::Debit, 5, "CHF"), (2, Direction::Credit, 5, "CHF")]);
        assert!(exchange.check(&third).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_a_rate_comes_to_agrees_with_it_and_a_minor_unit_more_or_less_does_not(
            given in 1_i64..1_000_000_000_000, whole in 0_u32..1_000, fraction in 1_u32..1_000_000,
        ) {
            let rate = format!("{whole}.{fraction:06}");
            // In thousandths of a millionth: the nearest, and of two that are as near the even one.
            let exact = i128::from(given) * (i128::from(whole) * 1_000_000 + i128::from(fraction));
            let near = (exact + 500_000) / 1_000_000;
            let is_tie = exact % 1_000_000 == 500_000;
            let got = i64::try_from(if is_tie && near % 2 == 1 { near - 1 } else { near }).unwrap();
            if got > 0 {
                proptest::prop_assert!(exchange((given, "EUR"), (got, "USD"), &rate).is_ok());
            }
            if got > 1 {
                proptest::prop_assert!(exchange((given, "EUR"), (got - 1, "USD"), &rate).is_err());
            }
            proptest::prop_assert!(exchange((given, "EUR"), (got + 1, "USD"), &rate).is_err());
        }
    }
}
