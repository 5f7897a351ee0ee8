//! Two versions side by side and one after the other, over a change that only adds: links have details, and clicks are visits, which
//! go to a stream of their own. The older version is a commit of this repository, built by `cargo xtask previous`.

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
async fn on_one_folder_versions_take_turns_and_neither_loses_a_link_a_detail_or_a_click() {
    let Some(old) =
        previous("on_one_folder_versions_take_turns_and_neither_loses_a_link_a_detail_or_a_click")
    else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");

    let (platform, api) = start(&old, &data).await;
    make(&api, "one").await;
    clicked(&api, "one", 3, 3).await;
    stop(platform).await;

    let (platform, api) = start(binary(), &data).await;
    clicked(&api, "one", 2, 5).await;
    make(&api, "two").await;
    let details = json!({ "title": "The second", "notes": "kept", "max_clicks": 1_000 });
    change(&api, "two", &details).await;
    clicked(&api, "two", 4, 4).await;
    stop(platform).await;

    // Back again, as whoever finds a fault in the new version would: it does not know of details, and leaves them alone. It counts
    // only what it sees itself.
    let (platform, api) = start(&old, &data).await;
    change(&api, "two", &json!({ "url": "https://example.com/changed" })).await;
    assert_eq!(api.follow("two").await.0, StatusCode::FOUND);
    clicked(&api, "one", 1, 4).await;
    stop(platform).await;

    let (platform, api) = start(binary(), &data).await;
    let two = clicked(&api, "two", 1, 6).await;
    assert_eq!(two["url"], "https://example.com/changed", "{two}");
    for (name, value) in details.as_object().expect("an object") {
        assert_eq!(two[name], *value, "{two}");
    }
    clicked(&api, "one", 0, 6).await;
    stop(platform).await;
}

async fn start(program: &Path, data: &Path) -> (Platform, Api) {
    let options = Options {
        data: Some(data.to_owned()),
        deadline: Duration::from_mins(1),
        // The older version has no console.
        roles: vec![0, 1, 2],
        ..Options::default()
    };
    let platform = Platform::start(program, options).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let api = Api::new(&platform.url(), &token);
    (platform, api)
}

async fn stop(mut platform: Platform) {
    assert!(platform.terminate().await.success(), "{}", platform.tail());
}

/// Makes a link.
async fn make(api: &Api, alias: &str) -> Value {
    let link = json!({ "url": "https://example.com/", "alias": alias });
    let (status, made) = api
        .send(Method::POST, "/v1/links", Some(&link), Some(alias))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

async fn change(api: &Api, alias: &str, what: &Value) {
    let path = format!("/v1/links/{alias}");
    let (status, changed) = api.send(Method::PATCH, &path, Some(what), None).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
}

async fn show(api: &Api, alias: &str) -> Value {
    let (status, link) = api
        .send(Method::GET, &format!("/v1/links/{alias}"), None, None)
        .await;
    assert_eq!(status, StatusCode::OK, "{alias}: {link}");
    link
}

/// Follows a link so often, and then it has been followed so often in all, as this version counts; answers what it is then.
async fn clicked(api: &Api, alias: &str, times: u64, in_all: u64) -> Value {
    for _ in 0..times {
        assert_eq!(api.follow(alias).await.0, StatusCode::FOUND, "{alias}");
    }
    counted(api, alias, in_all).await
}

async fn counted(api: &Api, alias: &str, in_all: u64) -> Value {
    let mut link = Value::Null;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            link = show(api, alias).await;
            if link["clicks"].as_u64() >= Some(in_all) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "{in_all} clicks: not within {PATIENCE:?}: {link}"
    );
    assert_eq!(link["clicks"], in_all, "no click counts twice: {link}");
    link
}
