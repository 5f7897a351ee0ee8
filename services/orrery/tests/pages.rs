//! The pages in a real browser: a newcomer's way through them, and what they look like (`target/screenshots`).

mod console;
mod looks;
mod newcomer;
mod payment;

use testkit::browser::Browser;
use testkit::platform::{Options, Platform};
use testkit::skips::skip;

use crate::platform::binary;

/// A platform and a browser, or a skip that says why.
async fn start(test: &str) -> Option<(Platform, Browser)> {
    start_with(test, Options::default()).await
}

async fn start_with(test: &str, options: Options) -> Option<(Platform, Browser)> {
    if let Err(why) = Browser::available() {
        skip(test, &why);
        return None;
    }
    let platform = Platform::start(binary(), options).await;
    Some((platform, Browser::start().await))
}

/// From anywhere that asks for it, through the sign-in page.
async fn sign_in(browser: &Browser, tenant: &str, user: &str) {
    browser.wait_for("#sign-in").await;
    browser.fill("#tenant", tenant).await;
    browser.fill("#user", user).await;
    browser.click("#sign-in button").await;
}
