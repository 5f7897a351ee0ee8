//! `orrery config`: what is in force, and where it came from.

use ::config::{Catalog, Effective, Loaded};

use crate::Outcome;
use crate::settings::Settings;

/// Prints every setting with its value and origin, as a TOML file would have it.
pub(crate) fn effective(loaded: &Loaded<Settings>) {
    let rows = loaded.explain();
    let widest = rows
        .iter()
        .map(|row| line(row).chars().count())
        .max()
        .unwrap_or(0)
        .min(72);
    for row in rows {
        println!("{:<widest$}  # {}", line(row), row.origin);
    }
}

/// Prints the JSON Schema of the settings file.
pub(crate) fn schema() -> Outcome {
    println!(
        "{}",
        serde_json::to_string_pretty(&Catalog::of::<Settings>().schema())?
    );
    Ok(())
}

/// A line of a settings file; what is unset, and what may not be shown, is a comment in it.
fn line(row: &Effective) -> String {
    match row.value.as_deref() {
        Some(::config::MASK) => format!("# {} = {}", row.path, ::config::MASK),
        // A URL without its password would lead elsewhere than the one in force.
        Some(text) if text.contains(::config::MASK) => {
            format!("# {} = {}", row.path, serde_json::Value::from(text))
        }
        Some(value) if is_bare(value) => format!("{} = {value}", row.path),
        // JSON's quoting of a text is TOML's.
        Some(text) => format!("{} = {}", row.path, serde_json::Value::from(text)),
        None => format!("# {} is unset", row.path),
    }
}

/// What TOML takes without quotes: numbers, truth values, lists.
fn is_bare(value: &str) -> bool {
    value.parse::<f64>().is_ok()
        || matches!(value, "true" | "false")
        || value.starts_with('[')
        || value == "\"\""
}
