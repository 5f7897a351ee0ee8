//! `PUT /v1/domain-rules`.

use http::Method;
use serde_json::{Value, json};

use super::{all_are_refused, deep, foreign, malformed, narrow, too_large, unacceptable};

const RULES: &str = "/v1/domain-rules";

#[tokio::test]
async fn hostile_rules_are_refused_and_change_nothing() {
    let service = narrow().await;
    let and = |more: &str| format!(r#"{{"allow":[],"deny":[],{more}}}"#);
    let denied = |domain: &str| json!({"allow": [], "deny": [domain]}).to_string();
    let mut cases = vec![
        foreign("a table", "text/csv"),
        too_large("a body beyond its bound", 200_000),
        malformed(
            "bytes that are no UTF-8",
            b"{\"allow\":[\"\xc3\x28\"],\"deny\":[]}".as_slice(),
        ),
        malformed("half a body", r#"{"allow":["#),
        unacceptable("lists in lists", format!(r#"{{"allow":[{}],"deny":[]}}"#, deep())).at("/allow/0"),
        unacceptable("one list only", r#"{"allow":[]}"#).at("/deny"),
        unacceptable("null for a list", r#"{"allow":null,"deny":[]}"#).at("/allow"),
        unacceptable("a field that nobody knows", and(r#""tenant":"globex""#)),
        unacceptable("a negative revision", and(r#""revision":-1"#)).at("/revision"),
        unacceptable("a huge revision", and(r#""revision":1e30"#)).at("/revision"),
        unacceptable("a revision in quotes", and(r#""revision":"0""#)).at("/revision"),
        unacceptable(
            "a revision that never was",
            and(r#""revision":18446744073709551615"#),
        )
        .code(409, "rules_changed"),
        unacceptable(
            "too many domains",
            r#"{"allow":["a.example","b.example"],"deny":["c.example","d.example"]}"#,
        )
        .at("/deny"),
        // Read all the same: a thousand long domains are more than other paths take.
        unacceptable(
            "a body beyond the bound of other paths",
            denied(&"a".repeat(100_000)),
        )
        .at("/deny/0"),
        unacceptable(
            "a very long domain",
            denied(&format!("{}example", "a.".repeat(20_000))),
        )
        .at("/deny/0"),
    ];
    for domain in [
        "",
        "https://evil.example",
        "*.example",
        "evil.example:443",
        "evil example",
        "evil..example",
        "ev%69l.example",
        "me@evil.example",
        "evil\u{0}.example",
        "evil.example\r\n",
    ] {
        cases.push(unacceptable("what is no domain", denied(domain)).at("/deny/0"));
    }
    all_are_refused(&service, Method::PUT, RULES, cases).await;
    let kept = service.send(Method::GET, RULES, &Value::Null).await;
    assert_eq!(kept.json(), json!({"allow": [], "deny": [], "revision": 0}));
}
