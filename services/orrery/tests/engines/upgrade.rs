//! Two versions side by side and one after the other, while columns are replaced by expand and contract: `links.permanent` and
//! `tenant.display_name`. The older version is a commit of this repository, built by `cargo xtask previous`.

mod side_by_side;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::platform::{Options, Platform};

use super::client::Api;
use crate::platform::binary;

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);
/// What an older version answers a start on a contracted schema with.
const REFUSED: &str = "start the newer program";

/// The older version, or a skip.
fn previous(test: &str) -> Option<PathBuf> {
    let target = binary().ancestors().nth(2)?;
    let program = target.join("previous/orrery");
    if program.is_file() {
        return Some(program);
    }
    let why = "no older version is built, which takes the history: cargo xtask previous";
    testkit::skips::skip_engine(test, why);
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_folder_versions_take_turns_until_the_contract_ends_the_older_one() {
    let Some(old) = previous("on_one_folder_versions_take_turns_until_the_contract_ends_the_older_one")
    else {
        return;
    };
    let _turn = crate::TURN.lock().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");

    // Each finds what the one before left, and leaves a change and a link for the next.
    turn(&old, &data, &[], ("one", true)).await;
    turn(binary(), &data, &[("one", true)], ("two", true)).await;
    // Back again, as whoever finds a fault in the new version would: it changes the old column alone.
    turn(&old, &data, &[("one", false), ("two", true)], ("three", true)).await;
    let all = [("one", true), ("two", false), ("three", true)];
    turn(binary(), &data, &all, ("four", true)).await;
    contract(&data, &[]).await;
    let all = [("one", false), ("two", true), ("three", false), ("four", true)];
    turn(binary(), &data, &all, ("five", false)).await;
    // Twice is harmless.
    contract(&data, &[]).await;

    refused(&old, "up", &options(&data)).await;
}

fn options(data: &Path) -> Options {
    Options {
        data: Some(data.to_owned()),
        deadline: Duration::from_mins(1),
        ..Options::default()
    }
}

/// One version starts, finds `links` permanent or not, makes each of them the other, makes one more, and stops.
async fn turn(program: &Path, data: &Path, links: &[(&str, bool)], more: (&str, bool)) {
    let mut platform = Platform::start(program, options(data)).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let api = Api::new(&platform.url(), &token);
    for (alias, permanent) in links {
        found(&api, alias, *permanent).await;
        set(&api, alias, !permanent).await;
        found(&api, alias, !permanent).await;
    }
    make(&api, more.0, more.1).await;
    found(&api, more.0, more.1).await;
    assert!(platform.terminate().await.success(), "{}", platform.tail());
}

/// Makes a link.
async fn make(api: &Api, alias: &str, permanent: bool) -> Value {
    let link = json!({ "url": "https://example.com/", "alias": alias, "permanent": permanent });
    let (status, made) = api
        .send(Method::POST, "/v1/links", Some(&link), Some(alias))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

/// Makes a link permanent, or temporary.
async fn set(api: &Api, alias: &str, permanent: bool) {
    let change = json!({ "permanent": permanent });
    let path = format!("/v1/links/{alias}");
    let (status, changed) = api.send(Method::PATCH, &path, Some(&change), None).await;
    assert_eq!(
        (status, changed["permanent"].as_bool()),
        (StatusCode::OK, Some(permanent)),
        "{changed}"
    );
}

/// A link is what it should be at once where the store is asked, and soon where caches answer.
async fn found(api: &Api, alias: &str, permanent: bool) {
    let (status, link) = api
        .send(Method::GET, &format!("/v1/links/{alias}"), None, None)
        .await;
    assert_eq!(
        (status, link["permanent"].as_bool()),
        (StatusCode::OK, Some(permanent)),
        "{alias}: {link}"
    );
    let wanted = if permanent {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::FOUND
    };
    eventually(&format!("{alias} answers {wanted}"), async || {
        api.follow(alias).await.0 == wanted
    })
    .await;
}

/// Contracts every store that `env` and the folder name.
async fn contract(data: &Path, env: &[(String, String)]) {
    let mut command = tokio::process::Command::new(binary());
    command
        .args(["migrate", "--contract", "--data"])
        .arg(data)
        .envs(env.iter().map(|(name, value)| (name, value)));
    let output = command.output().await.expect("orrery starts");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.matches("older versions are refused").count(), 2, "{out}");
}

/// The older version does not start, and says what to do.
async fn refused(old: &Path, what: &str, options: &Options) {
    let mut refused = Platform::spawn(old, options.clone());
    let status = refused.exited().await;
    let said = refused.output();
    assert!(!status.success() && said.contains(REFUSED), "{what}: {said}");
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
