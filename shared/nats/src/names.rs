//! How names of ours stand in names of NATS.

/// A text as one token of a subject, a key or a stream's name: letters, digits, `_` and `-` stand as they are, every other
/// byte as `=` and two hexadecimal digits. Different texts have different tokens; an empty one is `=`.
pub fn token(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if text.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            token.push(char::from(byte));
        } else {
            token.push('=');
            token.push(char::from(HEX[usize::from(byte >> 4)]));
            token.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    token
}

/// The text that a token stands for; `None` when it is none of [`token`]'s.
pub fn untoken(token: &str) -> Option<String> {
    if token == "=" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_nothing_that_nats_reads_otherwise() {
        assert_eq!(token("clicks-1_a"), "clicks-1_a");
        assert_eq!(token("a.b"), "a=2Eb");
        assert_eq!(token("*> \u{f6}="), "=2A=3E=20=C3=B6=3D");
        assert_eq!(token(""), "=");
        for text in ["clicks-1_a", "*> \u{f6}=", ""] {
            assert_eq!(untoken(&token(text)).as_deref(), Some(text));
        }
        assert_eq!(untoken("=2"), None);
    }
}
