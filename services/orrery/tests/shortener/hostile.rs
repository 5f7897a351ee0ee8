//! What strangers send: each gets the right problem, the platform lives on, and nothing is stored.

mod cases;
mod wire;

use http::StatusCode;
use problem::Document;
use serde_json::{Value, json};
use testkit::http::{get, post};
use testkit::platform::{Options, Platform};

use crate::platform::binary;
use cases::{Case, Expected, cases};
use wire::Reply;

/// The issue asks for so many at least.
const CASES_MIN: usize = 40;

async fn platform() -> Platform {
    // Slow bodies and heads are among the cases, and their limits are the default's only in length.
    let options = Options::default()
        .env("ORRERY_SERVER_BODY_READ_TIMEOUT_MS", "500")
        .env("ORRERY_SERVER_HEADER_READ_TIMEOUT_MS", "1000");
    Platform::start(binary(), options).await
}

fn verdict(case: &Case, reply: Option<&Reply>) -> Result<(), String> {
    let (status, code) = match case.expected {
        Expected::Closed => {
            return reply.map_or(Ok(()), |reply| Err(format!("answered {}", reply.status)));
        }
        Expected::Bare(status) => (status, None),
        Expected::Problem(status, code) => (status, Some(code)),
    };
    let reply = reply.ok_or("no answer")?;
    if reply.status != status {
        return Err(format!("answered {}: {}", reply.status, reply.text()));
    }
    let Some(code) = code else { return Ok(()) };
    if reply.header("content-type") != Some("application/problem+json") {
        return Err(format!("no problem: {}", reply.head));
    }
    let problem: Document = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    if problem.code != code || problem.status != status {
        return Err(format!("{problem:?}"));
    }
    if problem.request_id.as_deref() != reply.header("x-request-id") || problem.trace_id.is_none() {
        return Err(format!("without its ids: {problem:?}"));
    }
    Ok(())
}

async fn links(platform: &Platform, token: &str) -> Vec<Value> {
    let listed = get(format!("{}/v1/links", platform.url()))
        .bearer(token)
        .send()
        .await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.text());
    listed.json()["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn each_hostile_request_gets_its_problem_and_nothing_is_stored() {
    let platform = platform().await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let reader = platform.token("acme", "ada", &["links:read"]).await;
    let cases = cases(&token, &reader, platform.port_base());
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let address = ([127, 0, 0, 1], platform.port_base()).into();
    let mut wrong = Vec::new();
    for case in &cases {
        let reply = wire::exchange(address, &case.request).await;
        if let Err(why) = verdict(case, reply.as_ref()) {
            wrong.push(format!("{}: expected {:?}, {why}", case.name, case.expected));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );

    assert_eq!(links(&platform, &token).await, Vec::<Value>::new());
    for role in 0..3 {
        let live = get(format!("{}/livez", platform.admin_url(role))).send().await;
        assert_eq!(live.status, StatusCode::OK, "role {role}");
    }
    assert!(!platform.output().contains("panicked"), "{}", platform.output());

    // The same road, walked well, leads somewhere: so it was the requests, not the road.
    let made = post(
        format!("{}/v1/links", platform.url()),
        &json!({"url": "https://example.com/"}),
    )
    .bearer(&token)
    .send()
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(links(&platform, &token).await.len(), 1);
}
