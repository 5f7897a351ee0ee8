//! One JSON object a line.

use super::PortableLink;
use crate::error::LinkError;
use crate::http::{no_object, unreadable};

/// A line, with its end.
pub(in crate::http) fn line(link: &PortableLink) -> Vec<u8> {
    let mut text = serde_json::to_vec(link).expect("text and numbers are always JSON");
    text.push(b'\n');
    text
}

/// Every line that is not blank, read or refused.
pub(in crate::http) fn read(text: &str) -> Vec<Result<PortableLink, LinkError>> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines.map(object).collect()
}

fn object(line: &str) -> Result<PortableLink, LinkError> {
    if line.trim_ascii_start().starts_with('[') {
        return Err(no_object());
    }
    serde_json::from_str(line).map_err(|error| unreadable(&error))
}
