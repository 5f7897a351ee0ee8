//! One of many rows: how it is read, and what is said of one that is refused. Whoever reads that has a file, and no Rust.

use problem::{Document, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::error::LinkError;

/// serde reads a struct from an array too, field by field; to a client that is an accident.
const NO_OBJECT: &str = "a row must be a JSON object";
/// What the words of an operation begin with; about a row they say too much.
const PREFIX: &str = "the request is not acceptable: ";

/// Most that is said of a row, and most of it that may be what was sent: a field is as long as the client likes.
const CHARS_MAX: usize = 600;
const POINTER_CHARS_MAX: usize = 100;

/// A row that is JSON already.
pub(super) fn of_value<T: DeserializeOwned>(row: Value) -> Result<T, LinkError> {
    if !row.is_object() {
        return Err(LinkError::field("", NO_OBJECT));
    }
    serde_path_to_error::deserialize(row).map_err(|error| refusal(error.path(), error.inner()))
}

/// A row that may be JSON.
pub(super) fn of_text<T: DeserializeOwned>(row: &str) -> Result<T, LinkError> {
    if row.trim_start().starts_with('[') {
        return Err(LinkError::field("", NO_OBJECT));
    }
    let mut parser = serde_json::Deserializer::from_str(row);
    let read = serde_path_to_error::deserialize(&mut parser)
        .map_err(|error| refusal(error.path(), error.inner()))?;
    parser.end().map_err(|error| unreadable(&error))?;
    Ok(read)
}

/// Why a row was refused; which one is said in the words too, counted from 1 as people do.
pub(super) fn told(index: usize, problem: &Problem) -> Document {
    let mut document = problem.document();
    let why = document
        .detail
        .strip_prefix(PREFIX)
        .unwrap_or(&document.detail)
        .to_owned();
    document.detail = format!("row {}: {why}", index + 1);
    document
}

/// Not JSON, or a number beyond all that are read, which is JSON.
fn unreadable(error: &serde_json::Error) -> LinkError {
    let why = format!("the row cannot be read from byte {} on", error.column());
    LinkError::field("", &why)
}

fn refusal(path: &Path, error: &serde_json::Error) -> LinkError {
    if error.classify() != Category::Data {
        return unreadable(error);
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let mut pointer: String = path.iter().map(step).collect();
    // serde names a missing or doubled field in words only, and its path is the object that holds it.
    for (words, why) in [
        ("missing field `", "it is missing"),
        ("duplicate field `", "it is there twice"),
    ] {
        if let Some(field) = message.strip_prefix(words) {
            pointer.push_str(&escaped(field.trim_end_matches('`')));
            return LinkError::field(&cut(&pointer, POINTER_CHARS_MAX), why);
        }
    }
    LinkError::field(&cut(&pointer, POINTER_CHARS_MAX), &cut(&said(message), CHARS_MAX))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The parser's words, in ours.
fn said(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if message.starts_with("unknown field ") {
        let known = expected.trim_start_matches("one of ");
        return format!("there is no such field; there are {known}");
    }
    let wanted = match expected {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "u32" | "u64" => "a whole number that is not negative",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("it must be {wanted}")
}

fn step(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => escaped(key),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    }
}

/// A step into an object (RFC 6901).
fn escaped(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::NewLinkBody;

    fn words(refused: LinkError) -> String {
        told(5, &refused.into()).detail
    }

    #[test]
    fn a_refused_row_is_told_by_its_place_and_its_field_in_plain_words() {
        for (row, said) in [
            ("{}", "row 6: /url: it is missing"),
            (r#"{"url":5}"#, "row 6: /url: it must be a string"),
            (
                r#"{"url":"x","permanent":"yes"}"#,
                "row 6: /permanent: it must be true or false",
            ),
            (r#"{"url":"x","tags":"a"}"#, "row 6: /tags: it must be a list"),
            (
                r#"{"url":"x","tags":["a",7]}"#,
                "row 6: /tags/1: it must be a string",
            ),
            (
                r#"{"url":"x","max_clicks":-1}"#,
                "row 6: /max_clicks: it must be a whole number that is not negative",
            ),
            (r#"{"url":"x","utm":"y"}"#, "row 6: /utm: it must be an object"),
            ("[]", "row 6: a row must be a JSON object"),
        ] {
            let value: Value = serde_json::from_str(row).unwrap();
            assert_eq!(words(of_value::<NewLinkBody>(value).unwrap_err()), said, "{row}");
            assert_eq!(words(of_text::<NewLinkBody>(row).unwrap_err()), said, "{row}");
        }
        let unknown = words(of_text::<NewLinkBody>(r#"{"url":"x","colour":1}"#).unwrap_err());
        assert!(
            unknown.starts_with("row 6: /colour: there is no such field; there are `url`, `alias`"),
            "{unknown}"
        );
        let twice = words(of_text::<NewLinkBody>(r#"{"url":"x","url":"y"}"#).unwrap_err());
        assert_eq!(twice, "row 6: /url: it is there twice");
    }

    #[test]
    fn of_a_row_that_cannot_be_read_it_is_said_from_which_byte_on() {
        let why = |row| words(of_text::<NewLinkBody>(row).unwrap_err());
        for broken in [
            r#"{"url":}"#,
            r#"{"url":"x""#,
            "nothing",
            r#"{"url":"x","max_clicks":1e999}"#,
        ] {
            let said = why(broken);
            assert!(
                said.starts_with("row 6: the row cannot be read from byte "),
                "{said}"
            );
        }
        assert_eq!(
            why(r#"{"url":"ä"} {"#),
            "row 6: the row cannot be read from byte 14 on",
            "which is the 13th character"
        );
    }
}
