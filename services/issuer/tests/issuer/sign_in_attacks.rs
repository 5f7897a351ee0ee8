//! Requests and forms as somebody with other plans would send them.

use std::time::Duration;

use http::StatusCode;

use crate::service::{CALLBACK, PUBLIC, Service};

#[tokio::test]
async fn nothing_is_sent_to_an_address_or_for_a_client_that_is_not_known() {
    let service = Service::start().await;
    let changes = [
        ("client_id", "other"),
        ("client_id", ""),
        ("redirect_uri", ""),
        ("redirect_uri", "http://evil.example/"),
        ("redirect_uri", "http://127.0.0.1:18080/ui/callback/"),
        ("redirect_uri", "http://127.0.0.1:18080/ui/callback?x=1"),
        ("redirect_uri", "http://127.0.0.1:18080/ui/../ui/callback"),
        ("redirect_uri", "http://127.0.0.1:18081/ui/callback"),
        ("redirect_uri", "http://localhost:18080/ui/callback"),
        ("redirect_uri", "HTTP://127.0.0.1:18080/ui/callback"),
    ];
    for change in changes {
        let answer = service.page(&Service::query(&[change])).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change:?}");
        assert_eq!(answer.header("location"), "", "{change:?}");
    }
    let twice = format!("{}&redirect_uri=http://evil.example/", Service::query(&[]));
    let location = service.page(&twice).await.header("location").to_owned();
    assert!(location.starts_with(CALLBACK) && location.contains("error=invalid_request"));
}

#[tokio::test]
async fn other_faults_are_told_to_the_client_with_its_state() {
    let service = Service::start().await;
    let plain = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk=";
    let long = "x".repeat(600);
    let cases = [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge", plain), "invalid_request"),
        (("scope", "links:read admin"), "invalid_scope"),
        (("scope", "links:read\u{0}"), "invalid_scope"),
        (("nonce", long.as_str()), "invalid_request"),
    ];
    for (change, error) in cases {
        let answer = service.page(&Service::query(&[change])).await;
        assert_eq!(Service::parameter(&answer, "error"), error, "{change:?}");
        assert_eq!(Service::parameter(&answer, "state"), "xyz");
        assert_eq!(Service::parameter(&answer, "iss"), PUBLIC);
    }
    let answer = service.page(&Service::query(&[("state", &long)])).await;
    assert_eq!(Service::parameter(&answer, "error"), "invalid_request");
    assert_eq!(
        Service::parameter(&answer, "state"),
        "",
        "what is too long is not repeated"
    );
}

#[tokio::test]
async fn a_form_that_our_page_did_not_draw_for_this_request_grants_nothing() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await;
    let other = service.page(&Service::query(&[("state", "other")])).await;
    let good: Vec<(String, String)> = Service::hidden(&page)
        .into_iter()
        .chain([("tenant".into(), "acme".into()), ("user".into(), "ada".into())])
        .collect();
    let own = [("origin", PUBLIC)];
    let with_form = |value: &str| {
        let change = |(name, old): (String, String)| {
            let value = if name == "form" { value.to_owned() } else { old };
            (name, value)
        };
        good.clone().into_iter().map(change).collect::<Vec<_>>()
    };
    let of_other = Service::hidden(&other)
        .into_iter()
        .find(|field| field.0 == "form")
        .unwrap()
        .1;
    for form in ["", "1.x", "99999999999999.AAAA", &of_other] {
        assert_eq!(
            service.send_form(&with_form(form), &own).await.status,
            StatusCode::FORBIDDEN,
            "{form:?}"
        );
    }
    let changed: Vec<_> = good
        .iter()
        .map(|(name, value)| {
            (
                name.clone(),
                if name == "state" {
                    "forged".to_owned()
                } else {
                    value.clone()
                },
            )
        })
        .collect();
    assert_eq!(
        service.send_form(&changed, &own).await.status,
        StatusCode::FORBIDDEN,
        "bound to the request"
    );
    assert_eq!(
        service.send_form(&good, &own).await.status,
        StatusCode::SEE_OTHER,
        "the form itself was good"
    );
    service.clock.advance(Duration::from_mins(10));
    assert_eq!(
        service.send_form(&good, &own).await.status,
        StatusCode::FORBIDDEN,
        "too old"
    );
}

#[tokio::test]
async fn a_form_sent_by_another_site_grants_nothing() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await;
    let mut fields = Service::hidden(&page);
    fields.extend([("tenant".into(), "acme".into()), ("user".into(), "ada".into())]);
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", "null")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://127.0.0.1:18081")],
        &[("origin", PUBLIC), ("sec-fetch-site", "cross-site")],
        &[("origin", PUBLIC), ("sec-fetch-site", "same-site")],
    ];
    for headers in cases {
        assert_eq!(
            service.send_form(&fields, headers).await.status,
            StatusCode::FORBIDDEN,
            "{headers:?}"
        );
    }
    let direct = service.url.clone();
    let sent = service.send_form(&fields, &[("origin", &direct)]).await;
    assert_eq!(
        sent.status,
        StatusCode::SEE_OTHER,
        "our own page, opened on our own port"
    );
}

#[tokio::test]
async fn a_name_that_only_leads_here_is_not_served() {
    let service = Service::start().await;
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "10.0.0.1",
        "127.0.0.1@evil",
    ] {
        let url = format!("{}/oauth2/authorize?{}", service.url, Service::query(&[]));
        let answer = testkit::http::get(url).header("host", host).send().await;
        assert!(answer.status.is_client_error(), "{host}: {}", answer.status);
        assert!(!answer.text().contains("name=\"form\""), "{host}");
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:9"] {
        let url = format!("{}/oauth2/authorize?{}", service.url, Service::query(&[]));
        assert_eq!(
            testkit::http::get(url).header("host", host).send().await.status,
            StatusCode::OK,
            "{host}"
        );
    }
}

#[tokio::test]
async fn what_a_client_sends_is_escaped_in_the_page() {
    let service = Service::start().await;
    let evil = "\"><script>alert(1)</script>";
    let page = service
        .page(&Service::query(&[("state", evil), ("nonce", evil)]))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text().contains("<script>"));
    let sent = service.submit(&page, "acme", "ada", &[]).await;
    assert_eq!(
        Service::parameter(&sent, "state"),
        evil,
        "and comes back as it was"
    );
}

#[tokio::test]
async fn too_many_waiting_codes_refuse_the_next_sign_in_until_they_expire() {
    let service = Service::start_with(|settings| settings.codes_max = 3).await;
    for _ in 0..3 {
        service.code().await;
    }
    let page = service.page(&Service::query(&[])).await;
    let refused = service.submit(&page, "acme", "ada", &[]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(!refused.header("retry-after").is_empty());
    service.clock.advance(Duration::from_mins(1));
    service
        .until("the codes are forgotten", async || {
            let page = service.page(&Service::query(&[])).await;
            service.submit(&page, "acme", "ada", &[]).await.status == StatusCode::SEE_OTHER
        })
        .await;
}

#[tokio::test]
async fn where_others_can_reach_the_issuer_nobody_signs_in_and_programs_get_tokens() {
    let service = Service::start_reachable().await;
    // Whoever writes a request writes its `Host`: a loopback name proves nothing here.
    let page = service.page(&Service::query(&[])).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("API keys"), "{}", page.text());
    let form = service.submit(&page, "acme", "ada", &[]).await;
    assert_eq!(form.status, StatusCode::FORBIDDEN);
    let request = issuer::KeyRequest {
        tenant: "acme",
        display_name: None,
        client: "reports",
        scopes: &[],
        expires_days: None,
    };
    let made = service.credentials().await.create(&request).await.unwrap();
    let id = made.client.id.to_string();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", made.text.as_str()),
    ];
    let token = service.exchange(&fields).await;
    assert_eq!(token.status, StatusCode::OK, "{}", token.text());
}
