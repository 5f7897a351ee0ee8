//! `orrery key`, and what a key is good for: a program that makes links without a person.

use http::{Method, StatusCode};
use serde_json::json;
use testkit::http::{Answer, call, post};
use testkit::platform::{Options, Platform};

use super::binary;

struct Said {
    out: String,
    err: String,
    success: bool,
}

async fn key(platform: &Platform, arguments: &[&str]) -> Said {
    let output = platform
        .command(&[&["key"], arguments].concat())
        .arg("--data")
        .arg(platform.data())
        .output()
        .await
        .unwrap();
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        success: output.status.success(),
    }
}

/// Asks at the gateway, by the form.
async fn token(platform: &Platform, id: &str, secret: &str) -> Answer {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    call(Method::POST, format!("{}/oauth2/token", platform.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .bytes(form)
        .send()
        .await
}

#[tokio::test]
async fn a_key_made_beside_the_running_platform_makes_links_until_it_is_revoked() {
    let platform = Platform::start(binary(), Options::default()).await;
    let made = key(
        &platform,
        &[
            "create",
            "--tenant",
            "acme",
            "--client",
            "importer",
            "--expires-days",
            "30",
        ],
    )
    .await;
    assert!(made.success, "{}", made.err);
    let lines: Vec<&str> = made.out.lines().collect();
    let [id, secret] = lines[..] else {
        panic!("two lines for a shell: {}", made.out)
    };
    let (id, secret) = (
        id.strip_prefix("client_id=").unwrap(),
        secret.strip_prefix("client_secret=").unwrap(),
    );
    assert!(!made.err.contains(secret) && made.err.contains("not shown again"));

    let answer = token(&platform, id, secret).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    let asked = json!({"url": "https://example.com/", "alias": "by-a-program"});
    let created = post(format!("{}/v1/links", platform.url()), &asked)
        .bearer(&access)
        .send()
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());

    let key_id = secret.split('_').nth(1).unwrap();
    let shown = key(&platform, &["list", "--tenant", "acme"]).await.out;
    let line = shown.lines().find(|line| line.starts_with(key_id)).unwrap();
    assert!(
        line.contains("importer") && line.contains(id) && line.ends_with("live"),
        "{line}"
    );
    assert!(!shown.contains(secret.rsplit('_').next().unwrap()), "{shown}");
    let others = key(&platform, &["list", "--tenant", "globex"]).await.out;
    assert_eq!(others.lines().count(), 1, "titles alone: {others}");

    let stranger = key(&platform, &["revoke", "--tenant", "globex", key_id]).await;
    assert!(
        !stranger.success && stranger.err.contains("no such API key"),
        "{}",
        stranger.err
    );
    assert!(
        key(&platform, &["revoke", "--tenant", "acme", key_id])
            .await
            .success
    );
    assert_eq!(
        token(&platform, id, secret).await.status,
        StatusCode::UNAUTHORIZED
    );
    let listed = key(&platform, &["list", "--tenant", "acme"]).await.out;
    assert!(listed.trim_end().ends_with("revoked"), "{listed}");
    assert!(
        platform.data().join("issuer.key").is_file(),
        "the secret is beside the data"
    );
}

#[tokio::test]
async fn keys_need_no_running_platform_and_slips_of_the_pen_are_named() {
    let mut platform = Platform::start(binary(), Options::default()).await;
    platform.terminate().await;
    let made = key(
        &platform,
        &["create", "--tenant", "acme", "--scopes", "links:read"],
    )
    .await;
    assert!(made.success, "{}", made.err);
    for (arguments, named) in [
        (&["create", "--tenant", "a b"][..], "tenant"),
        (
            &["create", "--tenant", "acme", "--scope", "links:raed"],
            "links:read",
        ),
        (
            &["create", "--tenant", "acme", "--scope", "links:write"],
            "links:read",
        ),
        (&["create", "--tenant", "acme", "--expires-days", "0"], "0 days"),
        (&["revoke", "--tenant", "acme", "nosuchkey"], "no such API key"),
        (
            &["disable", "--tenant", "acme", "--client", "nobody"],
            "no such client",
        ),
    ] {
        let refused = key(&platform, arguments).await;
        assert!(
            !refused.success && refused.err.contains(named) && refused.out.is_empty(),
            "{arguments:?}: {} {}",
            refused.out,
            refused.err
        );
    }
    let state = async || {
        let listed = key(&platform, &["list", "--tenant", "acme"]).await.out;
        listed.split_whitespace().last().unwrap().to_owned()
    };
    for (verb, wanted) in [("disable", "disabled"), ("enable", "live")] {
        assert!(
            key(&platform, &[verb, "--tenant", "acme", "--client", "default"])
                .await
                .success
        );
        assert_eq!(state().await, wanted);
    }
}
