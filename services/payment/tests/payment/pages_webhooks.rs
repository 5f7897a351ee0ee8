//! `/ui/payment/webhooks`: endpoints and their deliveries, for people.

use http::Method;

use crate::harness::Setup;
use crate::pages::{get, page};
use crate::till::eventually;

#[tokio::test]
async fn webhooks_are_made_tried_switched_and_their_secret_is_shown_once() {
    let setup = Setup::new().change(|settings| settings.webhooks.outbound.open_loopback = true);
    let service = setup.start().await;
    let here = "/ui/payment/webhooks";
    assert!(get(&service, here).await.contains("No endpoints yet"));
    let refused = page(
        &service,
        Method::POST,
        here,
        "key=a&url=https%3A%2F%2F10.0.0.1%2F&description=",
    )
    .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("private network") && refused.text().contains("https://10.0.0.1/"));
    let made = page(
        &service,
        Method::POST,
        here,
        "key=b&url=http%3A%2F%2F127.0.0.1%3A1%2F&description=Shop",
    )
    .await;
    assert_eq!(made.status, 200);
    assert!(made.text().contains("whsec_"));
    let listed = get(&service, here).await;
    assert!(!listed.contains("whsec_") && listed.contains("Try it out"));
    let at = listed.find("/ui/payment/webhooks/").unwrap();
    let id = listed[at + here.len() + 1..]
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    for (path, form, said) in [
        ("ping", "", "pinged"),
        ("switch", "enabled=false", "switched"),
        ("switch", "enabled=true", "switched"),
    ] {
        let done = page(&service, Method::POST, &format!("{here}/{id}/{path}"), form).await;
        assert_eq!(
            done.header("location"),
            Some(format!("{here}?said={said}").as_str()),
            "{path}"
        );
    }
    assert!(
        get(&service, &format!("{here}?all=yes"))
            .await
            .contains("webhook.ping")
    );
    let rotated = page(&service, Method::POST, &format!("{here}/{id}/secret"), "key=c").await;
    assert!(rotated.text().contains("whsec_"));
    service.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_on_and_takes_nothing_is_not_shown_as_well() {
    let setup = Setup::new().change(|settings| {
        settings.webhooks.outbound.open_loopback = true;
        settings.webhooks.poll_interval_ms = 20;
    });
    let service = setup.start().await;
    let here = "/ui/payment/webhooks";
    let made = page(
        &service,
        Method::POST,
        here,
        "key=b&url=http%3A%2F%2F127.0.0.1%3A1%2F&description=Shop",
    )
    .await;
    assert!(made.text().contains("<span class=\"badge good\">enabled</span>"));
    let id = made.text().split(&format!("{here}/")).nth(1).unwrap();
    let id = id.split('/').next().unwrap().to_owned();
    page(&service, Method::POST, &format!("{here}/{id}/ping"), "").await;
    eventually("the endpoint is seen to fail", async || {
        get(&service, here)
            .await
            .contains("<span class=\"badge bad\">enabled, failing</span>")
    })
    .await;
    let deliveries = get(&service, &format!("{here}?all=yes")).await;
    assert!(
        deliveries.contains(">no connection: connection refused<"),
        "{deliveries}"
    );
    service.stop().await;
}
