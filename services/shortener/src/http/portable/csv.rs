//! Comma-separated values with a header (RFC 4180). An empty cell is a part that is not there.

use serde_json::{Map, Value};

use super::PortableLink;
use crate::error::LinkError;
use crate::http::rows;

/// How a part is written in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Text,
    /// `true` or `false`.
    Flag,
    Number,
    /// Words with commas between them; as JSON where that would not read back the same.
    Words,
    Json,
}

/// Every part, in the order in which they are written. They may be read in any other, and need not all be there.
const COLUMNS: &[(&str, Cell)] = &[
    ("code", Cell::Text),
    ("url", Cell::Text),
    ("title", Cell::Text),
    ("tags", Cell::Words),
    ("notes", Cell::Text),
    ("owner", Cell::Text),
    ("permanent", Cell::Flag),
    ("archived", Cell::Flag),
    ("active_from", Cell::Text),
    ("expires_at", Cell::Text),
    ("fallback_url", Cell::Text),
    ("max_clicks", Cell::Number),
    ("has_password", Cell::Flag),
    ("password_hash", Cell::Text),
    ("destinations", Cell::Json),
    ("edge_cache_s", Cell::Number),
    ("created_at", Cell::Text),
    ("updated_at", Cell::Text),
    ("clicks", Cell::Number),
    ("code_proof", Cell::Text),
];

/// As much of a column's name is sent back that is none: it may be a whole file without line ends.
const NAME_CHARS_MAX: usize = 64;

/// What spreadsheets take for a formula when a cell begins with it.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The first line.
pub(in crate::http) fn header() -> Vec<u8> {
    written(COLUMNS.iter().map(|(name, _)| (*name).to_owned()))
}

/// A link's line.
pub(in crate::http) fn line(link: &PortableLink) -> Vec<u8> {
    let parts = serde_json::to_value(link).expect("text and numbers are always JSON");
    written(COLUMNS.iter().map(|(name, cell)| {
        let part = parts.get(name).unwrap_or(&Value::Null);
        show(*cell, part)
    }))
}

fn written(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer
        .write_record(cells)
        .and_then(|()| Ok(writer.flush()?))
        .expect("memory takes every row");
    writer.into_inner().expect("it is flushed")
}

fn show(cell: Cell, part: &Value) -> String {
    match (cell, part) {
        (_, Value::Null) => String::new(),
        (Cell::Words, Value::Array(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            let joined = words.join(", ");
            if words_of(&joined) == words && !joined.starts_with('[') {
                guarded(joined)
            } else {
                serde_json::to_string(&words).expect("text is always JSON")
            }
        }
        (_, Value::String(text)) => guarded(text.clone()),
        (_, other) => other.to_string(),
    }
}

/// A quote before what a spreadsheet would run; it is taken off again when the cell is read.
fn guarded(text: String) -> String {
    let mut chars = text.chars();
    let first = chars.next();
    let is_formula = first.is_some_and(|c| FORMULA.contains(&c));
    let looks_guarded = first == Some('\'') && chars.next().is_some_and(is_guardable);
    if is_formula || looks_guarded {
        format!("'{text}")
    } else {
        text
    }
}

fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.chars().next().is_some_and(is_guardable) => rest,
        _ => cell,
    }
}

fn is_guardable(c: char) -> bool {
    c == '\'' || FORMULA.contains(&c)
}

fn words_of(cell: &str) -> Vec<&str> {
    cell.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Every row, read or refused. An error is about the table as a whole.
pub(in crate::http) fn read(text: &str) -> Result<Vec<Result<PortableLink, LinkError>>, LinkError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let broken = |error: csv::Error| LinkError::field("", &format!("this is not CSV: {error}"));
    let columns = columns(reader.headers().map_err(broken)?)?;
    let rows = reader.records().map(|record| {
        let record = record.map_err(broken)?;
        if record.len() != columns.len() {
            let (found, wanted) = (record.len(), columns.len());
            let why = format!("the row has {found} cells, and the header has {wanted}");
            return Err(LinkError::field("", &why));
        }
        let mut parts = Map::new();
        for ((name, cell), text) in columns.iter().zip(&record) {
            if !text.is_empty() {
                parts.insert((*name).to_owned(), part(name, *cell, text)?);
            }
        }
        rows::of_value(Value::Object(parts))
    });
    Ok(rows.collect())
}

fn columns(header: &csv::StringRecord) -> Result<Vec<(&'static str, Cell)>, LinkError> {
    let mut columns: Vec<(&'static str, Cell)> = Vec::new();
    for name in header {
        let name = name.trim();
        let known = COLUMNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some(column) = known else {
            let known: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            let name: String = name.chars().take(NAME_CHARS_MAX).collect();
            let why = format!("there is no column `{name}`; there are {}", known.join(", "));
            return Err(LinkError::field("", &why));
        };
        if columns.contains(column) {
            return Err(LinkError::field(
                "",
                &format!("the column `{name}` is there twice"),
            ));
        }
        columns.push(*column);
    }
    if columns.iter().any(|(name, _)| *name == "url") {
        Ok(columns)
    } else {
        Err(LinkError::field(
            "",
            "the first line must name the columns, `url` among them",
        ))
    }
}

fn part(name: &str, cell: Cell, text: &str) -> Result<Value, LinkError> {
    let wrong = |why: &str| Err(LinkError::field(&format!("/{name}"), why));
    match cell {
        Cell::Text => Ok(unguarded(text).into()),
        Cell::Flag if text.eq_ignore_ascii_case("true") => Ok(true.into()),
        Cell::Flag if text.eq_ignore_ascii_case("false") => Ok(false.into()),
        Cell::Flag => wrong("must be true or false"),
        Cell::Number => match text.parse::<u64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => wrong("must be a whole number"),
        },
        Cell::Words if text.starts_with('[') => match serde_json::from_str::<Vec<String>>(text) {
            Ok(words) => Ok(words.into()),
            Err(_) => wrong("must be words with commas between them, or a JSON list of strings"),
        },
        Cell::Words => Ok(words_of(unguarded(text)).into()),
        Cell::Json => match serde_json::from_str(text) {
            Ok(value) => Ok(value),
            Err(error) => wrong(&format!("this is not JSON: {error}")),
        },
    }
}

#[cfg(test)]
mod tests;
