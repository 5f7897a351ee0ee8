//! Card numbers have no business here: what looks like one is refused, wherever it stands, and repeated nowhere.

use serde_json::Value;

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// From so many digits on, a whole part of a reference may be an id of the caller's: Snowflakes have as many, and one in ten passes as a card.
const ID_DIGITS_MIN: usize = 17;

/// Whether a text has 13 to 19 digits, single spaces, dots or dashes between them allowed, whose last is the Luhn check digit.
pub(crate) fn is_in(text: &str) -> bool {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut group = Vec::new();
    let mut after_separator = false;
    // The line's end closes the last run.
    for character in text.chars().chain(std::iter::once('\n')) {
        if let Some(digit) = character.to_digit(10) {
            group.push(digit);
            after_separator = false;
            continue;
        }
        if !group.is_empty() {
            groups.push(std::mem::take(&mut group));
        }
        let separates = matches!(character, ' ' | '-' | '.') && !after_separator && !groups.is_empty();
        if separates {
            after_separator = true;
            continue;
        }
        if any_stretch(&groups) {
            return true;
        }
        groups.clear();
        after_separator = false;
    }
    false
}

fn any_stretch(groups: &[Vec<u32>]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups[first..].iter().any(|group| {
            digits.extend_from_slice(group);
            (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && passes_luhn(&digits)
        })
    })
}

fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

/// The same of a reference, where a whole part behind a `/` may be an id of 17 to 19 digits: `payment/117093590311632896`.
pub(crate) fn is_in_reference(reference: &str) -> bool {
    let is_id = |part: &str| {
        (ID_DIGITS_MIN..=DIGITS_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = reference.split('/');
    parts.next().is_some_and(is_in) || parts.any(|part| !is_id(part) && is_in(part))
}

/// Where in a JSON value a card number stands: a pointer made of names alone, for a name may be the number.
pub(crate) fn pointer_in(value: &Value) -> Option<String> {
    fn below(value: &Value, pointer: &str) -> Option<String> {
        let here = || Some(pointer.to_owned());
        match value {
            Value::String(text) if pointer == "/reference" => is_in_reference(text).then(here)?,
            Value::String(text) => is_in(text).then(here)?,
            Value::Number(number) => is_in(&number.to_string()).then(here)?,
            Value::Array(values) => values.iter().find_map(|value| below(value, pointer)),
            Value::Object(fields) => fields.iter().find_map(|(name, value)| {
                if is_in(name) {
                    return here();
                }
                below(value, &format!("{pointer}/{name}"))
            }),
            Value::Null | Value::Bool(_) => None,
        }
    }
    below(value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_number_is_seen_however_it_is_written() {
        for card in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "x 378282246310005.",
            "12 4242424242424242",
            "4222222222222",
        ] {
            assert!(is_in(card), "{card}");
        }
        for other in [
            "4242424242424241",
            "424242424242",
            "tok_visa",
            "",
            "42424242424242424242424242",
        ] {
            assert!(!is_in(other), "{other}");
        }
    }

    #[test]
    fn an_id_behind_a_word_is_no_card_and_a_card_there_is() {
        assert!(passes_any(), "else this shows nothing");
        for id in 117_093_590_311_632_896_u64..117_093_590_311_632_996 {
            assert!(!is_in_reference(&format!("payment/{id}")));
        }
        assert!(is_in_reference("payment/4242424242424242"));
        assert!(is_in_reference("4242424242424242"));
        assert!(is_in_reference("payment/card 4242424242424242"));
    }

    fn passes_any() -> bool {
        (117_093_590_311_632_896_u64..117_093_590_311_632_996).any(|id| is_in(&id.to_string()))
    }

    #[test]
    fn it_is_found_in_any_corner_of_a_body() {
        let found = |value: Value| pointer_in(&value);
        assert_eq!(found(json!({"a": [{"b": "4242424242424242"}]})).unwrap(), "/a/b");
        assert_eq!(found(json!({"a": 4_242_424_242_424_242_u64})).unwrap(), "/a");
        assert_eq!(found(json!({"4242424242424242": 1})).unwrap(), "");
        assert_eq!(found(json!({"reference": "payment/117093590311632896"})), None);
    }
}
