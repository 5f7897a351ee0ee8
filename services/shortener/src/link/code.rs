//! What stands behind the slash: generated codes and claimed aliases.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Longest code, in bytes; an inline array of this size keeps the redirect path free of allocations.
pub const CODE_BYTES_MAX: usize = 64;
/// Shortest code, in bytes.
pub const CODE_BYTES_MIN: usize = 3;
/// Length of every generated code.
pub const GENERATED_BYTES: usize = 7;
/// How many generated codes there are: a digit, then six base62 characters.
pub const GENERATED_CODES: u64 = 10 * 62_u64.pow(6);

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Paths the platform itself answers at (or clients probe for), which no alias may shadow. Compared without case.
pub const RESERVED_WORDS: &[&str] = &[
    "admin",
    "api",
    "apple-touch-icon",
    "assets",
    "auth",
    "callback",
    "chat",
    "console",
    "docs",
    "favicon",
    "feed",
    "gateway",
    "health",
    "healthz",
    "help",
    "issuer",
    "jwks",
    "labs",
    "links",
    "livez",
    "login",
    "logout",
    "metrics",
    "oauth",
    "oauth2",
    "openapi",
    "payment",
    "ping",
    "processor",
    "readyz",
    "robots",
    "security",
    "shortener",
    "sign-in",
    "sign-out",
    "signin",
    "signout",
    "sitemap",
    "static",
    "status",
    "token",
    "well-known",
];

/// A string that can stand for a link: 3 to 64 of `[A-Za-z0-9_-]`, neither starting nor ending with `-`.
///
/// `Copy` and inline, so that a cache look-up allocates nothing.
#[derive(Clone, Copy)]
pub struct Code {
    len: u8,
    bytes: [u8; CODE_BYTES_MAX],
}

impl Code {
    /// The code `text` spells, or `None` when no link can ever have it (which is answered without asking the store).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let length_fits = (CODE_BYTES_MIN..=CODE_BYTES_MAX).contains(&bytes.len());
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
        if !length_fits || !bytes.iter().all(allowed) || text.starts_with('-') || text.ends_with('-') {
            return None;
        }
        Some(Self::from_checked(bytes))
    }

    /// The `index`-th generated code. `index` is the permuted counter, never the counter itself.
    ///
    /// # Panics
    /// When `index` is not below [`GENERATED_CODES`].
    pub fn generated(index: u64) -> Self {
        assert!(
            index < GENERATED_CODES,
            "the permutation stays inside the code space"
        );
        let mut rest = index;
        let mut bytes = [0_u8; GENERATED_BYTES];
        for place in bytes[1..].iter_mut().rev() {
            *place = BASE62[usize::try_from(rest % 62).expect("below 62")];
            rest /= 62;
        }
        // What is left is below ten: the leading digit that tells generated codes from aliases.
        bytes[0] = BASE62[usize::try_from(rest).expect("below 10")];
        Self::from_checked(&bytes)
    }

    /// Which generated code this is, if it has the shape of one.
    pub fn generated_index(&self) -> Option<u64> {
        let digit = |byte: &u8| BASE62.iter().position(|other| other == byte);
        let digits = self
            .is_generated_shape()
            .then(|| self.as_bytes().iter().map(digit))?;
        digits
            .map(|digit| digit.and_then(|digit| u64::try_from(digit).ok()))
            .try_fold(0, |index, digit| Some(index * 62 + digit?))
    }

    /// Whether this has the shape of a generated code: seven base62 characters, the first a digit.
    pub fn is_generated_shape(&self) -> bool {
        let bytes = self.as_bytes();
        bytes.len() == GENERATED_BYTES
            && bytes[0].is_ascii_digit()
            && bytes.iter().all(u8::is_ascii_alphanumeric)
    }

    /// The code as text.
    ///
    /// # Panics
    /// Never: codes are ASCII by construction.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("codes are ASCII by construction")
    }

    /// The code as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn from_checked(text: &[u8]) -> Self {
        let mut bytes = [0; CODE_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Self {
            len: u8::try_from(text.len()).expect("at most 64 bytes"),
            bytes,
        }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Code {}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Only the used bytes: hashing all 64 would cost the redirect path for nothing.
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code that a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias(Code);

/// Why an alias was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// Wrong length or characters.
    #[error("an alias has 3 to 64 characters of A-Z a-z 0-9 _ - and neither starts nor ends with -")]
    Grammar,
    /// Would be mistaken for a generated code.
    #[error("seven letters and digits that start with a digit are kept for generated codes")]
    GeneratedShape,
    /// The platform answers there itself.
    #[error("this word is reserved")]
    Reserved,
}

impl Alias {
    /// Checks what a person asked for.
    pub fn parse(text: &str) -> Result<Self, AliasError> {
        let code = Code::parse(text).ok_or(AliasError::Grammar)?;
        if code.is_generated_shape() {
            return Err(AliasError::GeneratedShape);
        }
        if RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return Err(AliasError::Reserved);
        }
        Ok(Self(code))
    }

    /// The code this alias claims.
    pub fn code(self) -> Code {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_codes_are_seven_base62_characters_that_start_with_a_digit() {
        assert_eq!(Code::generated(0).as_str(), "0000000");
        assert_eq!(Code::generated(GENERATED_CODES - 1).as_str(), "9zzzzzz");
        assert_eq!(Code::generated(62).as_str(), "0000010");
        assert!(Code::generated(123_456_789_012).is_generated_shape());
    }

    #[test]
    fn a_generated_code_reads_back_as_itself() {
        for index in [0, 61, 62, 98_765_432_101, GENERATED_CODES - 1] {
            assert_eq!(Code::generated(index).generated_index(), Some(index));
        }
        assert_eq!(Code::parse("an-alias").unwrap().generated_index(), None);
        let code = Code::generated(98_765_432_101);
        assert_eq!(Code::parse(code.as_str()), Some(code));
    }

    #[test]
    fn an_alias_of_the_generated_shape_is_refused() {
        for text in ["0000000", "9zzzzzz", "1aB2cD3"] {
            assert_eq!(Alias::parse(text), Err(AliasError::GeneratedShape), "{text}");
        }
        for text in ["a000000", "00000000", "000000", "1aB2cD_", "1-aB2cD"] {
            assert!(Alias::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn reserved_words_are_refused_in_any_case() {
        for text in ["docs", "Docs", "OAUTH2", "readyz", "Well-Known", "metrics"] {
            assert_eq!(Alias::parse(text), Err(AliasError::Reserved), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_the_grammar_is_no_code() {
        let long = "a".repeat(65);
        for text in [
            "",
            "v1",
            "ui",
            "a.b",
            "favicon.ico",
            "-abc",
            "abc-",
            "a b",
            "a/b",
            "ünïcode",
            "a\nb",
            &long,
        ] {
            assert_eq!(Alias::parse(text), Err(AliasError::Grammar), "{text:?}");
        }
        assert!(Alias::parse(&"a".repeat(64)).is_ok());
        assert!(Alias::parse("abc").is_ok());
    }
}
