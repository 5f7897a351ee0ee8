//! Acknowledged means durable.

use serde_json::json;
use testkit::http::post;
use testkit::platform::{Options, Platform};

use crate::platform::binary;
use crate::platform::traced::{Made, is_synced_before_the_answer};

#[tokio::test]
async fn the_link_is_synced_to_disk_before_the_answer_is_written() {
    let platform = Platform::start(binary(), Options::default()).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let link = json!({"url": "https://example.com/durable", "alias": "durable-one"});
    let made = Made {
        test: "the_link_is_synced_to_disk_before_the_answer_is_written",
        request: "POST /v1/links",
        file: "shortener.db",
        marker: "durable-one",
    };
    let url = format!("{}/v1/links", platform.api_url(2));
    is_synced_before_the_answer(&platform, &made, post(url, &link).bearer(&token).send()).await;
}
