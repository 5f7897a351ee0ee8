//! Paths that two programs could read differently are refused, so that what was checked here is what arrives there.

use percent_encoding::percent_decode_str;

use crate::routes::NEVER_CODES;

/// The longest code or alias that is looked at; the shortener's own limit is lower.
const CODE_BYTES_MAX: usize = 128;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path has an incomplete percent-encoding")]
    BadEncoding,
    #[error("the path has an encoded slash, a backslash or a control character")]
    HiddenSeparator,
    #[error("the path has an empty segment, or one that is only dots")]
    DotSegment,
    #[error("the path is not UTF-8")]
    NotUtf8,
}

/// Refuses `..`, `//`, `%2e%2e`, `%2f`, backslashes, control characters and broken encodings.
pub(crate) fn check(path: &str) -> Result<(), PathError> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(PathError::DotSegment);
    };
    for segment in rest.split('/') {
        if !escapes_are_whole(segment) {
            return Err(PathError::BadEncoding);
        }
        let decoded = percent_decode_str(segment)
            .decode_utf8()
            .map_err(|_| PathError::NotUtf8)?;
        if decoded.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
            return Err(PathError::HiddenSeparator);
        }
        if matches!(&*decoded, "" | "." | "..") {
            return Err(PathError::DotSegment);
        }
    }
    Ok(())
}

fn escapes_are_whole(segment: &str) -> bool {
    segment.split('%').skip(1).all(|after| {
        let digits = after.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    })
}

/// The code in a path of one segment: only characters that need no encoding (RFC 3986 unreserved), decoded once; a `+` behind it
/// asks for the link's preview. `None` is a 404: no link can have that name.
pub(crate) fn code(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
    let name = decoded.strip_suffix('+').unwrap_or(&decoded);
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let fits = !name.is_empty() && name.len() <= CODE_BYTES_MAX;
    let only_dots = name.bytes().all(|b| b == b'.');
    (plain && fits && !only_dots && !NEVER_CODES.contains(&&*name.to_ascii_lowercase()))
        .then(|| decoded.into_owned())
}

/// A place on this site that a browser may be sent to after signing in: a path that no browser reads as another host.
pub(crate) fn is_local(target: &str) -> bool {
    const TARGET_BYTES_MAX: usize = 1_024;
    target.len() <= TARGET_BYTES_MAX
        && target.starts_with('/')
        && !target.starts_with("//")
        && target
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"' && b != b'<' && b != b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_refused() {
        for good in ["/v1/links", "/v1/links/abc", "/v1/links/a%20b", "/v1/links/..."] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let refused = [
            ("/v1/links/../../metrics", PathError::DotSegment),
            ("/v1/links/%2e%2E/metrics", PathError::DotSegment),
            ("/v1/links/.%2e", PathError::DotSegment),
            ("/v1/links//x", PathError::DotSegment),
            ("/v1/links/%2fmetrics", PathError::HiddenSeparator),
            ("/v1/links/%5c", PathError::HiddenSeparator),
            ("/v1/links/a%00", PathError::HiddenSeparator),
            ("/v1/links/a%0d%0aX:%20y", PathError::HiddenSeparator),
            ("/v1/links/%zz", PathError::BadEncoding),
            ("/v1/links/%2", PathError::BadEncoding),
            ("/v1/links/%+1", PathError::BadEncoding),
            ("/v1/links/%ff%fe", PathError::NotUtf8),
            ("*", PathError::DotSegment),
        ];
        for (path, why) in refused {
            assert_eq!(check(path), Err(why), "{path}");
        }
    }

    #[test]
    fn a_code_is_plain_and_never_an_admin_path() {
        assert_eq!(code("/rust").as_deref(), Some("rust"));
        assert_eq!(
            code("/%72ust").as_deref(),
            Some("rust"),
            "an encoding that was not needed means the same"
        );
        assert_eq!(code("/rust+").as_deref(), Some("rust+"), "its preview");
        for not in [
            "/metrics",
            "/%6detrics",
            "/READYZ",
            "/livez",
            "/ui",
            "/a%2fb",
            "/a b",
            "/a$",
            "/a++",
            "/a+b",
            "/+",
            "/metrics+",
            "/",
            "/.",
            "/%ff",
        ] {
            assert_eq!(code(not), None, "{not}");
        }
        assert_eq!(code(&format!("/{}", "x".repeat(129))), None);
    }

    #[test]
    fn only_a_local_path_is_returned_to() {
        for good in ["/", "/ui/shortener", "/ui/shortener?cursor=a%20b&x=1"] {
            assert!(is_local(good), "{good}");
        }
        let bad = [
            "",
            "//evil",
            "/\\evil",
            "http://evil",
            "ui",
            "/a\nb",
            "/a b",
            "/ä",
            "/\t/evil",
            "javascript:x",
        ];
        for bad in bad {
            assert!(!is_local(bad), "{bad}");
        }
        assert!(!is_local(&format!("/{}", "x".repeat(1_024))));
    }
}
