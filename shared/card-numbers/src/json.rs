//! Documents, searched through and through.

use serde_json::Value;

use crate::{is_in, is_in_reference};

/// Whether a JSON document has a card number in a text or a name, or as a number. Values of the names in `ids` that are digits and no more are ids and
/// amounts, which are judged as what they are: one in ten passes Luhn's formula by chance.
pub fn is_in_json(value: &Value, ids: &[&str]) -> bool {
    match value {
        Value::String(text) => is_in(text),
        Value::Number(number) => is_in(&number.to_string()),
        Value::Array(values) => values.iter().any(|value| is_in_json(value, ids)),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            is_in(name) || (!(ids.contains(&name.as_str()) && is_number(value)) && is_in_json(value, ids))
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

fn is_number(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where in a JSON document a card number stands: a pointer made of names alone, without the places in lists, and without the name that is the number. The
/// text at `reference` is judged as [`is_in_reference`] does.
pub fn pointer_in_json(value: &Value, reference: &str) -> Option<String> {
    below(value, "", reference)
}

fn below(value: &Value, pointer: &str, reference: &str) -> Option<String> {
    let here = || Some(pointer.to_owned());
    match value {
        Value::String(text) if pointer == reference => is_in_reference(text).then(here)?,
        Value::String(text) => is_in(text).then(here)?,
        Value::Number(number) => is_in(&number.to_string()).then(here)?,
        Value::Array(values) => values.iter().find_map(|value| below(value, pointer, reference)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if is_in(name) {
                return here();
            }
            below(value, &format!("{pointer}/{name}"), reference)
        }),
        Value::Null | Value::Bool(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::CARDS;

    #[test]
    fn a_document_is_searched_through_and_through_but_for_its_ids() {
        let ids = ["amount", "account_id"];
        let found = |value: Value| is_in_json(&value, &ids);
        assert!(found(json!({"a": [{"b": "4242 4242 4242 4242"}]})));
        assert!(found(json!({"a": 4_242_424_242_424_242_u64})));
        assert!(found(json!({"4242424242424242": true})));
        assert!(found(json!({"amount": "4242 4242 4242 4242"})));
        for id in CARDS.into_iter().chain(["4242424242424242428"]) {
            assert!(!found(json!({"amount": id, "below": {"account_id": id}})));
            assert!(found(json!({"below": {"account": id}})));
        }
        assert!(!found(json!({"name": "Ada", "ok": true, "none": null})));
    }

    #[test]
    fn it_is_found_in_any_corner_of_a_body() {
        let found = |value: Value| pointer_in_json(&value, "/reference");
        assert_eq!(found(json!({"a": [{"b": "4242424242424242"}]})).unwrap(), "/a/b");
        assert_eq!(found(json!({"a": 4_242_424_242_424_242_u64})).unwrap(), "/a");
        assert_eq!(found(json!({"4242424242424242": 1})).unwrap(), "");
        assert_eq!(found(json!({"reference": "payment/4242424242424242428"})), None);
        assert_eq!(
            found(json!({"other": "payment/4242424242424242428"})).unwrap(),
            "/other"
        );
    }
}
