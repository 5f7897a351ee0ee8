//! The parsers by themselves, taken out of the service: they build in seconds, and no engine comes with them. What must hold of them
//! is what the service's own tests check.

pub mod link;

#[path = "../../tests/shortener/parsing/properties.rs"]
mod properties;

/// Checks a text as a URL, an authority and a domain.
pub fn url(text: &str) {
    properties::url(text);
}

/// Checks a text as a code and an alias.
pub fn code(text: &str) {
    properties::code(text);
}
