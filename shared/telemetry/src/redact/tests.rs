use super::*;

const JWT: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLWJ5dGVz";

#[test]
fn secrets_in_text_are_masked_and_the_rest_is_kept() {
    let table: Vec<(String, &str)> = vec![
        ("nothing to hide".into(), "nothing to hide"),
        (format!("sent Bearer {JWT} upstream"), "sent Bearer *** upstream"),
        ("BEARER abc/def+=.~ end".into(), "BEARER *** end"),
        ("the bearer".into(), "the bearer"),
        (format!("refused {JWT}: expired"), "refused ***: expired"),
        (format!("({JWT})"), "(***)"),
        (format!("%20{JWT}"), "%20***"),
        ("eyes.opened.wide".into(), "eyes.opened.wide"),
        ("key.of.fields".into(), "key.of.fields"),
        (
            "see https://u:p@h.example/a/b?x=1#y now".into(),
            "see https://h.example/a/b now",
        ),
        ("https://h.example?x=1".into(), "https://h.example"),
        ("https://h.example#f".into(), "https://h.example"),
        ("https://a@b@h.example/".into(), "https://h.example/"),
        ("postgres://orrery:pa:ss@db:5432/x".into(), "postgres://db:5432/x"),
        (
            "http://127.0.0.1:8080/v1/links".into(),
            "http://127.0.0.1:8080/v1/links",
        ),
        (format!("http://h/{JWT}/x?y"), "http://h/***/x"),
        (
            "a https://h/?a=1 b http://u@g/ c".into(),
            "a https://h/ b http://g/ c",
        ),
        ("\"https://h/p?q=ü\"".into(), "\"https://h/p\""),
        ("password=hunter2 user=bob".into(), "password=*** user=bob"),
        (
            "{\"access_token\":\"abc\",\"n\":1}".into(),
            "{\"access_token\":\"***\",\"n\":1}",
        ),
        ("client_secret=a&x=1".into(), "client_secret=***&x=1"),
        (
            "Authorization: Basic dTpw\nHost: h".into(),
            "Authorization: ***\nHost: h",
        ),
        ("Set-Cookie: sid=1; Path=/".into(), "Set-Cookie: ***"),
        ("unknown key: shortner.port".into(), "unknown key: shortner.port"),
        ("the token: expired".into(), "the token: expired"),
        ("ü://é".into(), "ü://é"),
        ("a :// b".into(), "a :// b"),
    ];
    for (text, expected) in table {
        assert_eq!(redacted(&text), expected, "from {text:?}");
    }
}

#[test]
fn text_without_secrets_is_not_copied() {
    assert!(matches!(
        redacted("a link was made at http://h/x"),
        Cow::Borrowed(_)
    ));
}

#[test]
fn names_of_secrets_are_known_by_any_part_in_any_case() {
    for name in [
        "token",
        "access_token",
        "Authorization",
        "set-cookie",
        "API_KEY",
        "clientSecret",
        "password2",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["message", "route", "tenant", "http.request.method", "kee"] {
        assert!(!is_secret_name(name), "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn redacting_never_panics_and_is_stable(text in "\\PC{0,60}", tail in "(bearer |://|ey|token=|cookie:)?\\PC{0,20}") {
        let text = format!("{text}{tail}");
        let once = redacted(&text).into_owned();
        proptest::prop_assert_eq!(redacted(&once).into_owned(), once);
    }

    #[test]
    fn no_jwt_survives(before in "[ (:=\"]", after in "[ ):,\"]", parts in "ey[A-Za-z0-9_-]{14,40}\\.ey[A-Za-z0-9_-]{10,40}\\.[A-Za-z0-9_-]{20,60}") {
        let text = format!("x{before}{parts}{after}y");
        proptest::prop_assert!(!redacted(&text).contains(&parts));
    }
}
