//! Amounts as people read and type them: with a point, never as a float.

use crate::ledger::Currency;

/// `7.00 EUR` for 700 minor units.
pub(super) fn show(minor: i128, currency: Currency) -> String {
    let exponent = usize::from(currency.exponent());
    let (sign, digits) = (if minor < 0 { "−" } else { "" }, minor.unsigned_abs().to_string());
    if exponent == 0 {
        return format!("{sign}{digits} {}", currency.code());
    }
    let digits = format!("{digits:0>width$}", width = exponent + 1);
    let (whole, part) = digits.split_at(digits.len() - exponent);
    format!("{sign}{whole}.{part} {}", currency.code())
}

/// Minor units, as the API takes them, of what somebody typed: digits, and behind one point at most as many as the currency has.
/// `None` for anything else: nothing is rounded and nothing is guessed.
pub(super) fn minor(typed: &str, currency: Currency) -> Option<String> {
    let exponent = usize::from(currency.exponent());
    let (whole, part) = typed.trim().split_once('.').unwrap_or((typed.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let pointless = !typed.contains('.') || !part.is_empty();
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > exponent || !pointless {
        return None;
    }
    let all = format!("{whole}{part:0<exponent$}");
    let minor = all.trim_start_matches('0');
    (!minor.is_empty()).then(|| minor.to_owned())
}

/// Why [`minor`] gives nothing, and how an amount of this currency is written.
pub(super) fn unreadable(typed: &str, currency: Currency) -> String {
    let (code, example) = (currency.code(), show(750, currency));
    let example = example.split(' ').next().unwrap_or_default();
    let places = match currency.exponent() {
        0 => "as a whole number".to_owned(),
        1 => "with a point and at most 1 place".to_owned(),
        places => format!("with a point and at most {places} places"),
    };
    // A card number gets into any field, and is not repeated.
    let typed = if card_numbers::is_in(typed) {
        "this".to_owned()
    } else {
        format!("“{}”", typed.trim())
    };
    format!("{typed} is no amount of {code}: write more than zero, {places}, as {example}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn an_amount_has_as_many_places_as_its_currency() {
        for (minor, code, shown) in [
            (700, "EUR", "7.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-1_234, "EUR", "−12.34 EUR"),
            (700, "JPY", "700 JPY"),
            (700, "KWD", "0.700 KWD"),
            (0, "USD", "0.00 USD"),
            (i128::from(i64::MAX), "USD", "92233720368547758.07 USD"),
        ] {
            assert_eq!(show(minor, currency(code)), shown);
        }
    }

    #[test]
    fn whoever_types_no_amount_reads_how_one_is_written() {
        for (code, said) in [
            (
                "EUR",
                "“7,50” is no amount of EUR: write more than zero, with a point and at most 2 places, as 7.50",
            ),
            (
                "JPY",
                "“7,50” is no amount of JPY: write more than zero, as a whole number, as 750",
            ),
        ] {
            assert_eq!(unreadable(" 7,50", currency(code)), said);
            let example = said.rsplit(' ').next().unwrap();
            assert!(minor(example, currency(code)).is_some(), "{example}");
        }
    }

    #[test]
    fn what_is_typed_is_read_exactly_or_not_at_all() {
        for (typed, code, minor_units) in [
            ("7", "EUR", Some("700")),
            (" 7.5 ", "EUR", Some("750")),
            ("7.05", "EUR", Some("705")),
            ("0.01", "EUR", Some("1")),
            ("007", "JPY", Some("7")),
            ("92233720368547758.07", "USD", Some("9223372036854775807")),
            ("7.005", "EUR", None),
            ("7.5", "JPY", None),
            ("7.", "EUR", None),
            (".5", "EUR", None),
            ("7,50", "EUR", None),
            ("-7", "EUR", None),
            ("+7", "EUR", None),
            ("1e3", "EUR", None),
            ("0.00", "EUR", None),
            ("", "EUR", None),
            ("7.0.0", "EUR", None),
        ] {
            assert_eq!(minor(typed, currency(code)).as_deref(), minor_units, "{typed}");
        }
    }
}
