//! Starting beside another instance, stopping without losing what is in flight, starting again.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use testkit::http::{get, post};
use testkit::platform::{Options, Platform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::binary;

const SCOPES: &[&str] = &["links:read", "links:write"];
/// A condition that has not come true by then will not.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::test]
async fn instances_on_other_ports_and_folders_run_side_by_side() {
    let one = Platform::start(binary(), Options::default()).await;
    let two = Platform::start(binary(), Options::default()).await;
    for platform in [&one, &two] {
        let token = platform.token("acme", "ada", SCOPES).await;
        let made = post(
            format!("{}/v1/links", platform.url()),
            &json!({"url": "https://example.com/", "alias": "mine"}),
        );
        assert_eq!(
            made.bearer(&token).send().await.status,
            StatusCode::CREATED,
            "{}",
            platform.tail()
        );
    }
    // A token of one instance is nothing to the other: each has an issuer of its own.
    let token = one.token("acme", "ada", SCOPES).await;
    let other = get(format!("{}/v1/links", two.url())).bearer(&token).send().await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED, "{}", other.text());
}

#[tokio::test]
async fn a_second_instance_on_the_same_data_folder_is_refused() {
    let first = Platform::start(binary(), Options::default()).await;
    let options = Options {
        data: Some(first.data().to_owned()),
        ..Options::default()
    };
    let mut second = Platform::spawn(binary(), options);
    assert_eq!(second.exited().await.code(), Some(1));
    let said = second.output();
    assert!(
        said.contains("another instance") && said.contains("--data"),
        "{said}"
    );
    assert!(first.is_ready().await, "the first instance is not disturbed");
}

#[tokio::test]
async fn a_port_in_use_names_the_port_and_the_flag() {
    let first = Platform::start(binary(), Options::default()).await;
    let options = Options {
        port_base: Some(first.port_base()),
        ..Options::default()
    };
    let mut second = Platform::spawn(binary(), options);
    assert_eq!(second.exited().await.code(), Some(1));
    let said = second.output();
    assert!(
        said.contains(&first.port_base().to_string()) && said.contains("--port-base"),
        "{said}"
    );
}

#[tokio::test]
async fn a_second_start_keeps_all_data() {
    let mut platform = Platform::start(binary(), Options::default()).await;
    let token = platform.token("acme", "ada", SCOPES).await;
    let made = post(
        format!("{}/v1/links", platform.url()),
        &json!({"url": "https://example.com/kept"}),
    )
    .bearer(&token)
    .send()
    .await;
    let code = made.json()["code"].as_str().expect("a code").to_owned();
    assert!(platform.terminate().await.success(), "{}", platform.tail());
    platform.restart().await;
    // The token too: the signing key is part of the data.
    let listed = get(format!("{}/v1/links/{code}", platform.url()))
        .bearer(&token)
        .send()
        .await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.text());
    let followed = get(format!("{}/{code}", platform.url())).send().await;
    assert_eq!(followed.header("location"), "https://example.com/kept");
}

#[tokio::test]
async fn on_sigterm_readiness_goes_first_then_work_in_flight_ends_and_the_exit_is_clean() {
    drains_on("TERM").await;
}

#[tokio::test]
async fn on_ctrl_c_readiness_goes_first_then_work_in_flight_ends_and_the_exit_is_clean() {
    drains_on("INT").await;
}

async fn drains_on(signal: &str) {
    // The notice is long enough to be seen by a test on a busy machine, whatever it is by default.
    let options = Options::default().arg("--set").arg("server.drain_notice_ms=1500");
    let mut platform = Platform::start(binary(), options).await;
    let token = platform.token("acme", "ada", SCOPES).await;
    let host = platform.url().trim_start_matches("http://").to_owned();

    // A request whose body is only half there when the signal comes.
    let body = json!({"url": "https://example.com/in-flight", "alias": "in-flight"}).to_string();
    let (first, second) = body.split_at(10);
    let mut slow = TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "POST /v1/links HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{first}",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();

    platform.signal(signal).await;
    let admin = platform.admin_url(0);
    until("the gateway says it is not ready", || async {
        get(format!("{admin}/readyz"))
            .try_send()
            .await
            .is_ok_and(|a| a.status == StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;
    assert_eq!(
        get(format!("{admin}/livez")).send().await.status,
        StatusCode::OK,
        "it still works"
    );
    TcpStream::connect(&host)
        .await
        .expect("readiness turns before the listener closes");

    slow.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, slow.read_to_string(&mut answer))
        .await
        .expect("an answer")
        .unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 201"),
        "{answer}\n{}",
        platform.tail()
    );

    assert_eq!(platform.exited().await.code(), Some(0), "{}", platform.tail());
    assert!(TcpStream::connect(&host).await.is_err(), "the port is free again");
}

async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "waited in vain: {what}"
    );
}
