//! One JSON object a line.

use super::PortableLink;
use crate::error::LinkError;
use crate::http::rows;

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
    lines.map(rows::of_text).collect()
}
