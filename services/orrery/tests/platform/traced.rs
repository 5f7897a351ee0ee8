//! Acknowledged means durable: the kernel is watched while something is made.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use testkit::http::Answer;
use testkit::platform::Platform;
use testkit::skips;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(20);

/// What is made, and how it is recognised.
pub(crate) struct Made<'a> {
    /// The test, for who reads that it was skipped.
    pub(crate) test: &'a str,
    /// How the request begins: method and path.
    pub(crate) request: &'a str,
    /// The store's file.
    pub(crate) file: &'a str,
    /// Looked for in what is written to it.
    pub(crate) marker: &'a str,
}

/// Has it made under strace by a request straight to the role (what that writes on the socket is its own answer, not the gateway's copy of it), and
/// demands that its own write was synced before the answer. Skips aloud where no process may be traced.
#[expect(clippy::similar_names, reason = "what is made, and the making of it")]
pub(crate) async fn is_synced_before_the_answer(
    platform: &Platform,
    made: &Made<'_>,
    make: impl Future<Output = Answer>,
) {
    if !skips::on_path("strace") {
        return skips::skip(made.test, "strace is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut tracer = Command::new("strace")
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
    if !attached(&trace, &mut tracer).await {
        return skips::skip(made.test, "this machine does not let one process trace another");
    }
    let answer = make.await;
    assert_eq!(answer.status, http::StatusCode::CREATED, "{}", answer.text());

    let calls = calls_until_answer(&trace).await;
    let asked = calls
        .iter()
        .position(|c| c.contains(made.request))
        .expect("the request is read");
    let answered = calls
        .iter()
        .skip(asked)
        .position(|c| c.contains("HTTP/1.1 201"))
        .expect("the answer is written")
        + asked;
    let between = &calls[asked..answered];
    assert!(
        synced_between(between, made.file, made.marker),
        "no fsync of the store between request and answer:\n{}",
        between.join("\n")
    );
}

/// Whether what is looked for was written to the store's own file and a sync of that file, begun after that by the same thread, had
/// ended before the answer. The health probe syncs the same file, from a thread of its own. A call that another thread
/// interrupts in the trace is two lines, `<unfinished ...>` and `resumed`.
fn synced_between(calls: &[String], file: &str, marker: &str) -> bool {
    let between = calls;
    let thread = |call: &str| call.split_whitespace().next().unwrap_or_default().to_owned();
    let written = between
        .iter()
        .position(|c| c.contains("pwrite64(") && c.contains(file) && c.contains(marker));
    let Some(written) = written else { return false };
    let writer = thread(&between[written]);
    between[written..]
        .iter()
        .filter(|c| thread(c) == writer)
        .any(|c| {
            let whole = c.contains("sync(") && c.contains(file) && !c.contains("unfinished");
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
