//! Signing in as it should go.

use http::StatusCode;

use crate::service::{CALLBACK, PUBLIC, Service};

#[tokio::test]
async fn a_person_signs_in_and_every_role_believes_the_token() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://127.0.0.1:18080;")
    );
    let sent = service
        .submit(&page, "acme", "ada", &["links:read", "links:write"])
        .await;
    assert_eq!(Service::parameter(&sent, "state"), "xyz");
    assert_eq!(Service::parameter(&sent, "iss"), PUBLIC);
    assert_eq!(sent.header("cache-control"), "no-store");
    let answer = service.exchange_code(&Service::parameter(&sent, "code")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        ("no-store", "no-cache")
    );
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 900);
    assert_eq!(tokens["scope"], "links:read links:write");
    let principal = service
        .verify(tokens["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (principal.tenant.as_str(), principal.user.as_str()),
        ("acme", "ada")
    );
    assert!(principal.may("links:read") && principal.may("links:write") && !principal.may("openid"));
}

#[tokio::test]
async fn an_id_token_names_the_person_to_the_client_and_opens_nothing() {
    let service = Service::start().await;
    let tokens = service.exchange_code(&service.code().await).await.json();
    let id_token = tokens["id_token"].as_str().unwrap();
    let payload = id_token.split('.').nth(1).unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (claims["aud"].as_str(), claims["nonce"].as_str()),
        (Some("orrery-gateway"), Some("n-0S6"))
    );
    assert_eq!(
        service.verify(id_token).await,
        Err(identity::VerifyError::WrongAudience)
    );
    let page = service.page(&Service::query(&[("scope", "links:read")])).await;
    let sent = service.submit(&page, "acme", "ada", &["links:read"]).await;
    let tokens = service
        .exchange_code(&Service::parameter(&sent, "code"))
        .await
        .json();
    assert!(tokens.get("id_token").is_none(), "only if openid is asked for");
}

#[tokio::test]
async fn a_person_may_allow_less_than_was_asked_for_but_never_more() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await;
    let sent = service.submit(&page, "acme", "ada", &["links:read"]).await;
    let tokens = service
        .exchange_code(&Service::parameter(&sent, "code"))
        .await
        .json();
    assert_eq!(tokens["scope"], "links:read");
    let page = service.page(&Service::query(&[("scope", "links:read")])).await;
    assert!(
        !page.text().contains("value=\"links:write\""),
        "what was not asked for is not offered"
    );
    let sent = service
        .submit(&page, "acme", "ada", &["links:read", "links:write", "admin"])
        .await;
    let tokens = service
        .exchange_code(&Service::parameter(&sent, "code"))
        .await
        .json();
    assert_eq!(tokens["scope"], "links:read");
}

#[tokio::test]
async fn a_name_that_breaks_the_rules_brings_the_page_back_with_what_was_typed() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await;
    let again = service.submit(&page, "acme", "<b>ada", &["links:read"]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = again.text();
    assert!(
        text.contains("value=\"acme\"") && text.contains("value=\"&lt;b&gt;ada\"") && !text.contains("<b>")
    );
    assert!(text.contains("id=\"user-error\"") && !text.contains("id=\"tenant-error\""));
    let sent = service.submit(&again, "acme", "ada", &["links:read"]).await;
    assert_eq!(
        sent.status,
        StatusCode::SEE_OTHER,
        "the page that came back works"
    );
}

#[tokio::test]
async fn cancelling_tells_the_client() {
    let service = Service::start().await;
    let page = service.page(&Service::query(&[])).await.text();
    let href = page
        .split("href=\"")
        .find(|part| part.contains("access_denied"))
        .unwrap();
    assert!(href.starts_with(CALLBACK) && href.contains("state=xyz"));
}

#[tokio::test]
async fn what_the_issuer_says_of_itself_is_true() {
    let service = Service::start().await;
    let configuration = service
        .get("/.well-known/openid-configuration")
        .await
        .unwrap()
        .json();
    assert_eq!(configuration["issuer"], PUBLIC);
    let local = |name: &str| configuration[name].as_str().unwrap().replace(PUBLIC, "");
    assert!(service.get(&local("jwks_uri")).await.unwrap().json()["keys"][0]["kid"].is_string());
    let page = service
        .get(&format!(
            "{}?{}",
            local("authorization_endpoint"),
            Service::query(&[])
        ))
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        service.get(&local("token_endpoint")).await.unwrap().status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    for asset in page
        .text()
        .split('"')
        .filter(|part| part.starts_with("/ui/issuer/assets/"))
    {
        assert_eq!(
            service.get(asset).await.unwrap().status,
            StatusCode::OK,
            "{asset}"
        );
    }
}

#[tokio::test]
async fn the_description_has_every_route_and_is_openapi_3_1() {
    let api = serde_json::to_value(issuer::openapi()).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, method) in [
        ("/.well-known/openid-configuration", "get"),
        ("/.well-known/jwks.json", "get"),
        ("/oauth2/authorize", "get"),
        ("/oauth2/authorize", "post"),
        ("/oauth2/token", "post"),
    ] {
        assert!(api["paths"][path][method].is_object(), "{method} {path}");
    }
}

#[test]
fn the_settings_are_a_sound_catalogue() {
    config::Catalog::of::<issuer::Settings>()
        .check()
        .expect("documented, settable, unambiguous");
}
