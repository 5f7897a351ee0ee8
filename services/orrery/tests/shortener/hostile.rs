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

/// Slow bodies and heads are among the cases, and their limits are the default's only in length.
pub(crate) const SHORT_LIMITS: [(&str, &str); 2] = [
    ("ORRERY_SERVER_BODY_READ_TIMEOUT_MS", "500"),
    ("ORRERY_SERVER_HEADER_READ_TIMEOUT_MS", "1000"),
];

/// A gateway that strangers send to, and all that must outlive it.
pub(crate) struct Front<'a> {
    pub(crate) port: u16,
    /// Of one tenant, without links as yet.
    pub(crate) token: String,
    /// The same, that may only read.
    pub(crate) reader: String,
    pub(crate) processes: Vec<&'a Platform>,
    /// The admin address of each role.
    pub(crate) admins: Vec<String>,
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

async fn links(front: &Front<'_>) -> Vec<Value> {
    let listed = get(front.links_url()).bearer(&front.token).send().await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.text());
    listed.json()["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn each_hostile_request_gets_its_problem_and_nothing_is_stored() {
    let limits = SHORT_LIMITS.iter();
    let options = limits.fold(Options::default(), |options, (name, value)| {
        options.env(name, value)
    });
    let platform = Platform::start(binary(), options).await;
    let front = Front {
        port: platform.port_base(),
        token: platform
            .token("acme", "ada", &["links:read", "links:write"])
            .await,
        reader: platform.token("acme", "ada", &["links:read"]).await,
        processes: vec![&platform],
        admins: (0..3).map(|role| platform.admin_url(role)).collect(),
    };
    front.stands_every_case().await;
}

impl Front<'_> {
    fn links_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/links", self.port)
    }

    /// Each case gets its answer, nothing is stored by any, and all go on working.
    pub(crate) async fn stands_every_case(&self) {
        let cases = cases(&self.token, &self.reader, self.port);
        assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
        let address = ([127, 0, 0, 1], self.port).into();
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

        assert_eq!(links(self).await, Vec::<Value>::new());
        for admin in &self.admins {
            let live = get(format!("{admin}/livez")).send().await;
            assert_eq!(live.status, StatusCode::OK, "{admin}");
        }
        for process in &self.processes {
            let output = process.output();
            assert!(!output.contains("panicked"), "{output}");
        }

        // The same road, walked well, leads somewhere: so it was the requests, not the road.
        let made = post(self.links_url(), &json!({"url": "https://example.com/"}))
            .bearer(&self.token)
            .send()
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(links(self).await.len(), 1);
    }
}
