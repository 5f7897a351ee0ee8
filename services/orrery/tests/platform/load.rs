//! `orrery load`, as a person and a script meet it.

use std::path::Path;
use std::time::Duration;

use testkit::platform::{Options, Platform};

use super::binary;

struct Said {
    out: String,
    err: String,
    success: bool,
}

async fn load(platform: &Platform, arguments: &[&str]) -> Said {
    let base = platform.url().rsplit(':').next().unwrap().to_owned();
    let mut command = platform.command(&[&["load"], arguments].concat());
    command
        .args(["--port-base", &base, "--data"])
        .arg(platform.data());
    command.kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_mins(1), command.output()).await;
    let output = ended.expect("a load ends").unwrap();
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        success: output.status.success(),
    }
}

#[tokio::test]
async fn a_load_is_offered_reported_and_recorded_and_what_was_recorded_is_true() {
    let _turn = crate::turn::alone().await;
    let platform = Platform::start(binary(), Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (out, history) = (folder.path().join("out"), folder.path().join("h.jsonl"));
    let (out_text, history_text) = (out.to_str().unwrap(), history.to_str().unwrap());
    let said = load(
        &platform,
        &[
            "smoke",
            "--duration",
            "3",
            "--out",
            out_text,
            "--history",
            history_text,
        ],
    )
    .await;
    assert!(said.success, "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("redirect") && said.out.contains("passed:"),
        "{}",
        said.out
    );
    let progress = said.err.lines().filter(|line| line.contains("in flight")).count();
    assert!(progress >= 3, "a line a second: {}", said.err);

    let json = std::fs::read_to_string(out.join("smoke.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["total"]["failed"], 0, "{json}");
    assert!(report["seconds"].as_array().unwrap().len() >= 3, "{json}");
    assert!(
        std::fs::read_to_string(out.join("smoke.svg"))
            .unwrap()
            .contains("<svg")
    );

    let written = std::fs::read(&history).unwrap();
    let operations = history::read(&written[..]).unwrap();
    let offered = report["total"]["offered"].as_u64().unwrap();
    assert!(
        operations.len() as u64 >= offered,
        "with those of the setup: {}",
        operations.len()
    );
    let register = history::linearizable::check(&operations, history::linearizable::Limits::default());
    let redirects = history::redirects::check(&operations, Duration::from_secs(1));
    assert!(register.is_kept() && redirects.is_kept(), "{register}{redirects}");
}

#[tokio::test]
async fn a_load_that_is_not_answered_as_expected_fails_and_says_by_what() {
    let platform = Platform::start(binary(), Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    let text = "name: wrong\ndescription: Asks for what is not there.\n\
                arrivals: {kind: constant, per_second: 20, duration_s: 1}\n\
                operations: [{name: nothing, weight: 1, method: GET, path: /nothing-there, token: false, expect: [302]}]\n";
    std::fs::write(&file, text).unwrap();
    let said = load(&platform, &[file.to_str().unwrap()]).await;
    assert!(
        !said.success && said.out.contains("nothing was told: 404 × 19"),
        "{}\n{}",
        said.out,
        said.err
    );
    let json = load(&platform, &[file.to_str().unwrap(), "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["operations"][0]["statuses"]["404"], 19, "{}", json.out);

    for (arguments, named) in [
        (&["smok"][..], "smoke"),
        (&["elsewhere/missing.yaml"], "missing.yaml"),
        (&["smoke", "--rate", "0"], "arrivals"),
        (&["smoke", "--url", "http://192.0.2.1:80"], "loopback"),
    ] {
        let refused = load(&platform, arguments).await;
        assert!(
            !refused.success && refused.err.contains(named),
            "{arguments:?}: {}",
            refused.err
        );
    }
}

#[tokio::test]
async fn an_interrupted_load_ends_with_its_report_and_no_verdict() {
    let platform = Platform::start(binary(), Options::default()).await;
    let base = platform.url().rsplit(':').next().unwrap().to_owned();
    let mut command = platform.command(&[
        "load",
        "smoke",
        "--duration",
        "600",
        "--port-base",
        &base,
        "--data",
    ]);
    command.arg(platform.data()).kill_on_drop(true);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut progress = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let began = async {
        let mut line = String::new();
        while !line.contains("in flight") {
            line.clear();
            let read = tokio::io::AsyncBufReadExt::read_line(&mut progress, &mut line).await;
            assert!(read.unwrap() > 0, "it goes on until it is interrupted");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), began)
        .await
        .expect("it begins");
    let pid = child.id().unwrap().to_string();
    let interrupted = tokio::process::Command::new("sh")
        .args(["-c", "kill -s INT \"$0\"", &pid])
        .status()
        .await;
    assert!(interrupted.unwrap().success());
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    let output = output.expect("it ends soon").unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.code() == Some(1) && printed.contains("stopped early"),
        "{printed}"
    );
}

#[tokio::test]
async fn every_profile_that_ships_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(binary());
    let output = command
        .args(["load", "list"])
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../loadtests/profiles");
    let files = std::fs::read_dir(profiles)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            listed.lines().any(|line| line.starts_with(&format!("{name} "))),
            "{name}: {listed}"
        );
    }
}
