//! Acknowledged means durable: the kernel is watched while a link is made.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use testkit::http::post;
use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::process::Command;

use crate::platform::binary;

const TEST: &str = "the_link_is_synced_to_disk_before_the_answer_is_written";
/// Looked for in what is written to the disk.
const ALIAS: &str = "durable-one";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_link_is_synced_to_disk_before_the_answer_is_written() {
    if !skips::on_path("strace") {
        return skips::skip(TEST, "strace is not installed");
    }
    let platform = Platform::start(binary(), Options::default()).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "16384",
            "-e",
            "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,read,readv,recvfrom",
            "-o",
        ])
        .arg(&trace)
        .args(["-p", &platform.pid().expect("it runs").to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    if !attached(&trace, &mut strace).await {
        return skips::skip(TEST, "this machine does not let one process trace another");
    }
    let link = json!({"url": "https://example.com/durable", "alias": ALIAS});
    // Straight to the shortener: what it writes on the socket is its own answer, not the gateway's copy of it.
    let made = post(format!("{}/v1/links", platform.api_url(2)), &link)
        .bearer(&token)
        .send()
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());

    let calls = calls_until_answer(&trace).await;
    let asked = calls
        .iter()
        .position(|c| c.contains("POST /v1/links"))
        .expect("the request is read");
    let answered = calls
        .iter()
        .position(|c| c.contains("HTTP/1.1 201"))
        .expect("the answer is written");
    let synced = synced_between(&calls, asked, answered);
    assert!(
        synced,
        "no fsync of the store between request and answer:\n{}",
        calls[asked..=answered].join("\n")
    );
}

/// Whether the link itself was written to the links' own file and a sync of that file, begun after that by the same thread, had
/// ended before the answer. The health probe syncs the same file, from a thread of its own. A call that another thread
/// interrupts in the trace is two lines, `<unfinished ...>` and `resumed`.
fn synced_between(calls: &[String], asked: usize, answered: usize) -> bool {
    let between = &calls[asked..answered];
    let thread = |call: &str| call.split_whitespace().next().unwrap_or_default().to_owned();
    let written = between
        .iter()
        .position(|c| c.contains("pwrite64(") && c.contains("shortener.db") && c.contains(ALIAS));
    let Some(written) = written else { return false };
    let writer = thread(&between[written]);
    between[written..]
        .iter()
        .filter(|c| thread(c) == writer)
        .any(|c| {
            let whole = c.contains("sync(") && c.contains("shortener.db") && !c.contains("unfinished");
            whole || c.contains("sync resumed")
        })
}

/// Whether strace got hold of the process: it writes as soon as any thread does anything.
async fn attached(trace: &Path, strace: &mut tokio::process::Child) -> bool {
    let wait = async {
        loop {
            if strace.try_wait().ok().flatten().is_some() {
                return false;
            }
            if std::fs::metadata(trace).is_ok_and(|file| file.len() > 0) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or(false)
}

/// The calls seen so far, once the answer is among them: strace writes a moment after the client has it.
async fn calls_until_answer(trace: &Path) -> Vec<String> {
    let wait = async {
        loop {
            let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap_or_default()).into_owned();
            if text.contains("HTTP/1.1 201") {
                return text.lines().map(str::to_owned).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("strace saw the answer")
}
