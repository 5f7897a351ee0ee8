//! The committed OpenAPI document against the running platform, by a fuzzer that believes neither.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::process::Command;

use crate::platform::binary;

const TEST: &str = "schemathesis_finds_nothing_against_the_committed_document";
/// Cases an operation and phase; the long form looks harder.
const EXAMPLES: (&str, &str) = ("10", "200");
const PATIENCE: Duration = Duration::from_mins(10);

#[tokio::test]
async fn schemathesis_finds_nothing_against_the_committed_document() {
    let Some(program) = schemathesis(TEST) else {
        return;
    };
    let _turn = crate::turn::shared().await;
    // The fuzzer is one tenant, and asks faster than one may.
    let mut options = Options::default();
    for limit in [
        "gateway.rate_limit.refill_per_second=100000",
        "gateway.rate_limit.burst=100000",
    ] {
        options = options.arg("--set").arg(limit);
    }
    let platform = Platform::start(binary(), options).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    fuzz(&program, &platform.url(), &token).await;
    assert!(platform.is_ready().await, "the platform is none the worse for it");
}

/// Runs the fuzzer against a gateway.
pub(crate) async fn fuzz(program: &Path, url: &str, token: &str) {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shortener");
    let examples = if skips::nightly() { EXAMPLES.1 } else { EXAMPLES.0 };
    let mut fuzzer = Command::new(program);
    fuzzer.arg("--config-file").arg(service.join("schemathesis.toml"));
    fuzzer
        .arg("run")
        .arg(service.join("openapi.json"))
        .args(["--url", url, "--seed", "7"]);
    fuzzer.args([
        "--max-examples",
        examples,
        "--header",
        &format!("Authorization: Bearer {token}"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    fuzzer
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, fuzzer.output())
        .await
        .expect("the fuzzer ends")
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).replace(token, "***");
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where the fuzzer is; else `test` is skipped aloud.
pub(crate) fn schemathesis(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ORRERY_SCHEMATHESIS").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/schemathesis/bin/schemathesis");
    let found = [named, Some(ours)]
        .into_iter()
        .flatten()
        .find(|path| path.is_file());
    if found.is_none() {
        skips::skip(
            test,
            "schemathesis is not installed; `cargo xtask test` brings it",
        );
    }
    found
}
