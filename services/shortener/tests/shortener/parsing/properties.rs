//! What holds of every text, whoever wrote it. Run by the ordinary tests and by the fuzzer.

use std::collections::BTreeSet;

use super::link::{
    Alias, CODE_BYTES_MAX, CODE_BYTES_MIN, Code, Domain, DomainLists, DomainRefusal, OwnHosts,
    RESERVED_WORDS, TargetUrl,
};

const BYTES_MAX: usize = 200;
const OWN_HOST: &str = "sho.rt";

fn own() -> OwnHosts {
    OwnHosts::new()
        .authority(OWN_HOST)
        .and_then(|own| own.authority("edge.example:8443"))
        .expect("two hosts")
        .loopback_port(8_094)
}

/// A URL that is taken can be sent in a header as it is, leads away from here, means the same to whoever reads it again, and its host
/// can be put on a list that then catches it.
pub(crate) fn url(text: &str) {
    // Whatever it says of an authority, it says it without a panic.
    let _ = OwnHosts::new().authority(text);
    let _ = Domain::parse(text).map(|domain| {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain), "{text:?}");
    });
    let Ok(url) = TargetUrl::parse(text, &own(), BYTES_MAX) else {
        return;
    };
    let normal = url.as_str();
    assert!(normal.len() <= BYTES_MAX && text.len() <= BYTES_MAX, "{text:?}");
    assert!(
        normal.bytes().all(|byte| byte.is_ascii_graphic()),
        "{normal:?} is not fit for a header"
    );
    let (scheme, rest) = normal.split_once("://").expect("an absolute URL");
    assert!(["http", "https"].contains(&scheme), "{normal}");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!authority.is_empty() && !authority.contains('@'), "{normal}");
    let again = TargetUrl::parse(normal, &own(), BYTES_MAX);
    assert_eq!(again.as_ref().map(TargetUrl::as_str), Ok(normal), "{text:?}");

    let host = url.host();
    assert!(authority.starts_with(host), "{host} of {normal}");
    assert_ne!(host.trim_end_matches('.'), OWN_HOST, "{text:?}");
    // A star is refused on lists, for it would not mean what it seems to.
    match Domain::parse(host) {
        Err(_) => assert!(host.contains('*'), "{normal} escapes every list"),
        Ok(domain) => {
            let lists = DomainLists {
                deny: BTreeSet::from([domain]),
                ..DomainLists::default()
            };
            assert_eq!(lists.judge(&url), Err(DomainRefusal::Denied), "{normal}");
        }
    }
}

/// A code is the text that spells it, and an alias is a code that nobody else's can be taken for.
pub(crate) fn code(text: &str) {
    let length_fits = (CODE_BYTES_MIN..=CODE_BYTES_MAX).contains(&text.len());
    let Some(code) = Code::parse(text) else {
        assert!(Alias::parse(text).is_err(), "{text:?}");
        return;
    };
    assert!(length_fits && code.as_str() == text, "{text:?}");
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "{text:?}"
    );
    let reserved = RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    let is_free = !reserved && !code.is_generated_shape();
    match Alias::parse(text) {
        Ok(alias) => assert!(is_free && alias.code() == code, "{text:?}"),
        Err(error) => assert!(!is_free && !error.to_string().is_empty(), "{text:?}"),
    }
}
