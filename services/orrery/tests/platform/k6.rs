//! The k6 scenarios in `loadtests/k6`, by k6 itself: the smoke against the platform, and against one that answers wrongly.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::binary;

const SCENARIOS: [&str; 6] = ["smoke", "load", "stress", "spike", "soak", "breakpoint"];
const PATIENCE: Duration = Duration::from_mins(2);
/// What k6 exits with when a threshold was missed.
const THRESHOLD_MISSED: i32 = 99;

#[tokio::test]
async fn the_k6_smoke_passes_against_the_platform() {
    let Some(program) = k6("the_k6_smoke_passes_against_the_platform") else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let platform = Platform::start(binary(), Options::default()).await;
    let key = platform
        .command(&[
            "key",
            "create",
            "--tenant",
            "load",
            "--client",
            "k6",
            "--scope",
            "links:read",
            "--scope",
            "links:write",
            "--scope",
            "ledger:read",
            "--scope",
            "ledger:write",
            "--scope",
            "payments:read",
            "--scope",
            "payments:write",
            "--data",
        ])
        .arg(platform.data())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(key.stdout).unwrap();
    let line = |name: &str| {
        printed
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect(name)
            .to_owned()
    };
    let (id, secret) = (line("client_id="), line("client_secret="));
    let (code, said) = smoke(
        &program,
        &platform.url(),
        &[("CLIENT_ID", &id), ("CLIENT_SECRET", &secret)],
    )
    .await;
    assert_eq!(code, Some(0), "{}", said.replace(&secret, "***"));
    for check in [
        "a redirect leads to the target",
        "the same Idempotency-Key",
        "count every click once",
        "what was moved and captured is what is left",
        "a payment by a good card succeeds",
    ] {
        assert!(
            said.lines()
                .any(|line| line.contains('✓') && line.contains(check)),
            "{check}: {said}"
        );
    }
}

#[tokio::test]
async fn the_k6_smoke_goes_red_when_one_business_answer_is_wrong() {
    let Some(program) = k6("the_k6_smoke_goes_red_when_one_business_answer_is_wrong") else {
        return;
    };
    for (lie, red) in [
        (Lie::None, None),
        (Lie::Location, Some("a redirect leads to the target")),
        (Lie::Id, Some("the same Idempotency-Key finds the same link")),
        (Lie::Clicks, Some("the statistics count every click once")),
    ] {
        let url = impostor(lie).await;
        let (code, said) = smoke(
            &program,
            &url,
            &[("TOKEN", "t"), ("DURATION", "1s"), ("SERVICES", "shortener")],
        )
        .await;
        let Some(red) = red else {
            assert_eq!(code, Some(0), "without a lie it passes: {said}");
            continue;
        };
        assert_eq!(code, Some(THRESHOLD_MISSED), "{lie:?}: {said}");
        let crossed: Vec<&str> = said
            .lines()
            .filter(|line| line.trim_start().starts_with("✗ "))
            .collect();
        assert!(crossed.iter().any(|line| line.contains(red)), "{lie:?}: {said}");
    }
}

#[tokio::test]
async fn every_scenario_offers_arrivals_at_a_rate_and_has_thresholds_of_the_objectives() {
    let Some(program) = k6("every_scenario_offers_arrivals_at_a_rate_and_has_thresholds_of_the_objectives")
    else {
        return;
    };
    for scenario in SCENARIOS {
        let mut command = Command::new(&program);
        command
            .args(["inspect", "--execution-requirements"])
            .arg(script(scenario));
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let read: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let scenarios = read["scenarios"].as_object().expect(scenario);
        for (name, settings) in scenarios {
            let executor = settings["executor"].as_str().unwrap();
            assert!(
                executor.ends_with("-arrival-rate"),
                "{scenario}.{name}: {executor}"
            );
        }
        let thresholds = read["thresholds"].as_object().expect(scenario);
        for metric in [
            "http_req_failed{kind:redirects}",
            "http_req_duration{kind:redirects}",
            "http_req_failed{kind:transfers}",
            "http_req_failed{kind:payments}",
            "checks",
        ] {
            // A smoke is too short for a quantile.
            if scenario == "smoke" && metric.contains("duration") {
                continue;
            }
            assert!(
                thresholds.contains_key(metric),
                "{scenario} has no threshold on {metric}: {thresholds:?}"
            );
        }
    }
}

/// Runs the smoke; its exit code, and what it printed.
async fn smoke(program: &Path, url: &str, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command
        .args(["run", "--no-usage-report", "--quiet", "--no-color"])
        .arg(script("smoke"));
    command.env("BASE_URL", url).envs(env.iter().copied());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.expect("k6 ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../loadtests/k6/{name}.js"))
}

/// Where k6 is; else `test` is skipped aloud.
fn k6(test: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let ours = target.join("tools/k6/bin/k6");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("k6"));
    let found = std::iter::once(ours).chain(on_path).find(|path| path.is_file());
    if found.is_none() {
        skips::skip(test, "k6 is not installed; `cargo xtask test` brings it");
    }
    found
}

/// What an impostor gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    Location,
    Id,
    Clicks,
}

/// Answers as the platform would, but for one lie. It knows each link by its code, which is made of the idempotency key.
async fn impostor(lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut turns = 0;
        while let Ok((stream, _)) = listener.accept().await {
            turns += 1;
            tokio::spawn(converse(stream, lie, turns));
        }
    });
    url
}

async fn converse(mut stream: TcpStream, lie: Lie, connection: u64) {
    let mut buffer = [0; 16_384];
    let mut turns = 0;
    // One request fits one read: they are small and sent whole.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        turns += 1;
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let unique = if lie == Lie::Id {
            format!("{connection}-{turns}")
        } else {
            "1".to_owned()
        };
        if stream
            .write_all(answer(&request, lie, &unique).as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

fn answer(request: &str, lie: Lie, id: &str) -> String {
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // A code is the target in hexadecimal digits: nothing need be remembered.
    let url_of = |code: &str| -> String {
        let digits = code.as_bytes().chunks(2);
        let bytes =
            digits.map(|two| u8::from_str_radix(&String::from_utf8_lossy(two), 16).unwrap_or_default());
        String::from_utf8(bytes.collect()).unwrap_or_default()
    };
    let (status, location, body) = if method == "POST" {
        let sent: Value =
            serde_json::from_str(request.rsplit("\r\n\r\n").next().unwrap_or_default()).unwrap_or_default();
        let url = sent["url"].as_str().unwrap_or_default();
        let code = url.bytes().fold(String::new(), |mut code, byte| {
            _ = write!(code, "{byte:02x}");
            code
        });
        (
            "201 Created",
            String::new(),
            json!({"id": id, "code": code, "url": url}),
        )
    } else if path.ends_with("/stats") {
        (
            "200 OK",
            String::new(),
            json!({"clicks": if lie == Lie::Clicks { 3 } else { 2 }}),
        )
    } else if let Some(code) = path.strip_prefix("/v1/links/") {
        ("200 OK", String::new(), json!({"url": url_of(code)}))
    } else {
        let elsewhere = if lie == Lie::Location { "/elsewhere" } else { "" };
        let location = format!(
            "location: {}{elsewhere}\r\n",
            url_of(path.trim_start_matches('/'))
        );
        ("302 Found", location, json!(null))
    };
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\n{location}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
