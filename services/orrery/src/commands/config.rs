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

/// A line that can be pasted into `orrery.toml`, but for what is unset: that is shown as a comment.
fn line(row: &Effective) -> String {
    match &row.value {
        Some(value) => format!("{} = {value}", row.path),
        None => format!("# {} is unset", row.path),
    }
}
