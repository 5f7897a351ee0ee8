//! Means of payment: tokens of the processor, never a card.

use std::fmt;

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 128;

/// A processor's token, `tok_...`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method(String);

/// A text that is no token. The text is not repeated: it may be a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a method is a token of the processor, `tok_` and up to 124 letters, digits and underscores")]
pub struct InvalidMethod;

impl Method {
    /// Checks a token.
    pub fn parse(text: &str) -> Result<Self, InvalidMethod> {
        let rest = text.strip_prefix("tok_").ok_or(InvalidMethod)?;
        let plain = rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if rest.is_empty() || text.len() > TOKEN_BYTES_MAX || !plain {
            return Err(InvalidMethod);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_methods() {
        assert_eq!(Method::parse("tok_visa").unwrap().as_str(), "tok_visa");
        for other in [
            "",
            "tok_",
            "visa",
            "tok_a b",
            "tok_\u{e9}",
            "4242424242424242",
            &format!("tok_{}", "x".repeat(125)),
        ] {
            assert_eq!(Method::parse(other), Err(InvalidMethod), "{other}");
        }
    }
}
