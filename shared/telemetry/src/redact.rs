//! What must not be read in a log or a trace: tokens, passwords, and what stands in the query of a URL.

use std::borrow::Cow;

/// What stands in place of a secret.
pub const MASK: &str = "***";

const SECRET_NAMES: [&str; 6] = ["token", "secret", "password", "authorization", "cookie", "key"];

/// Names that hide what follows them inside a sentence: `password=…` up to the next space, `cookie: …` up to the end of
/// the line. `key` is not among them: "unknown key: shortner.port" is what an operator has to read.
const ASSIGNED: [&str; 3] = ["token", "secret", "password"];
const HEADERS: [&str; 2] = ["authorization", "cookie"];

/// Header, claims and signature: shorter ones are names with dots in them.
const JWT_PARTS_MIN: [usize; 3] = [16, 8, 16];

/// Whether a field of this name holds a secret whatever its value looks like.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| {
        name.as_bytes()
            .windows(secret.len())
            .any(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    })
}

/// The text without `Bearer` credentials, JWTs, `password=` assignments and credential headers, and with its URLs cut
/// to scheme, host and path. Borrowed when there was nothing to hide.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while at < text.len() {
        // Every finding begins at an ASCII character, so `at` and the ends are character boundaries.
        let Some(finding) = find_at(text, at) else {
            at += 1;
            continue;
        };
        out.push_str(&text[kept..finding.from]);
        out.push_str(&finding.instead);
        kept = finding.to;
        at = finding.to.max(at + 1);
    }
    if kept == 0 && out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

struct Finding<'a> {
    from: usize,
    to: usize,
    instead: Cow<'a, str>,
}

fn find_at(text: &str, at: usize) -> Option<Finding<'_>> {
    match text.as_bytes()[at].to_ascii_lowercase() {
        b':' => url_at(text, at),
        b'b' => bearer_at(text, at),
        b'e' => jwt_at(text, at),
        b't' | b's' | b'p' => ASSIGNED.iter().find_map(|name| assigned_at(text, at, name)),
        b'a' | b'c' => HEADERS.iter().find_map(|name| header_at(text, at, name)),
        _ => None,
    }
}

fn masked(from: usize, to: usize) -> Option<Finding<'static>> {
    (from < to).then_some(Finding {
        from,
        to,
        instead: Cow::Borrowed(MASK),
    })
}

/// Where `word` ends, if it stands here in any case.
fn after_word(text: &str, at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    text.as_bytes()
        .get(at..end)?
        .eq_ignore_ascii_case(word.as_bytes())
        .then_some(end)
}

/// The end of the run of bytes that satisfy the condition.
fn run(text: &str, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[from..]
        .iter()
        .position(|byte| !belongs(*byte))
        .map_or(text.len(), |length| from + length)
}

fn bearer_at(text: &str, at: usize) -> Option<Finding<'_>> {
    let end = after_word(text, at, "bearer")?;
    let from = run(text, end, |byte| byte == b' ');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if from == end {
        None
    } else {
        masked(from, run(text, from, is_token))
    }
}

/// Three base64url parts of which the first begins as encoded JSON does.
fn jwt_at(text: &str, at: usize) -> Option<Finding<'_>> {
    let bytes = text.as_bytes();
    if !matches!(bytes.get(at..at + 2)?, b"ey" | b"ew") {
        return None;
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut end = at;
    for length_min in JWT_PARTS_MIN {
        if end > at {
            if bytes.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let to = run(text, end, is_base64url);
        if to - end < length_min {
            return None;
        }
        end = to;
    }
    masked(at, end)
}

fn assigned_at<'a>(text: &'a str, at: usize, name: &str) -> Option<Finding<'a>> {
    let end = after_word(text, at, name)?;
    // `token="abc"`, `"token":"abc"` and `token=abc` alike.
    let sign = run(text, end, |byte| byte == b'"');
    let by_sign = match text.as_bytes().get(sign)? {
        b'=' => true,
        b':' => sign > end,
        _ => false,
    };
    let from = run(text, sign + 1, |byte| byte == b'"' || byte == b' ');
    let is_value = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'&,;)}".contains(&byte);
    if by_sign {
        masked(from, run(text, from, is_value))
    } else {
        None
    }
}

fn header_at<'a>(text: &'a str, at: usize, name: &str) -> Option<Finding<'a>> {
    let end = after_word(text, at, name)?;
    let sign = run(text, end, |byte| byte == b'"');
    if !matches!(text.as_bytes().get(sign)?, b':' | b'=') {
        return None;
    }
    let from = run(text, sign + 1, |byte| byte == b' ' || byte == b'"');
    masked(
        from,
        run(text, from, |byte| byte != b'\n' && byte != b'\r' && byte != b'"'),
    )
}

/// `at` is the colon of `://`. What follows loses its user information, query and fragment.
fn url_at(text: &str, at: usize) -> Option<Finding<'_>> {
    let from = after_word(text, at, "://")?;
    if at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let end = run(text, from, |byte| {
        !byte.is_ascii_whitespace() && !b"\"<>`".contains(&byte)
    });
    let url = &text[from..end];
    let authority_end = url.find(['/', '?', '#', '\\']).unwrap_or(url.len());
    let host_start = url[..authority_end].rfind('@').map_or(0, |at| at + 1);
    let path_end = url.find(['?', '#']).unwrap_or(url.len());
    let path = redacted(&url[authority_end..path_end]);
    if host_start == 0 && path_end == url.len() && matches!(path, Cow::Borrowed(_)) {
        return None;
    }
    let instead = format!("{}{path}", &url[host_start..authority_end]);
    Some(Finding {
        from,
        to: end,
        instead: Cow::Owned(instead),
    })
}

#[cfg(test)]
mod tests;
