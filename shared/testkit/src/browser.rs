//! A headless Chromium, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>) through chromedriver.
//!
//! ```no_run
//! # async fn example() {
//! # use testkit::browser::{Browser, View};
//! if let Err(why) = Browser::available() {
//!     return testkit::skips::skip("a page is readable", &why);
//! }
//! let browser = Browser::start().await;
//! browser.view(View::PHONE.dark()).await;
//! browser.goto("http://127.0.0.1:8080/").await;
//! browser.click("a[href='/ui/shortener']").await;
//! assert_eq!(browser.text("h1").await, "Links");
//! # }
//! ```
//!
//! Everything waits for what it names, at most [`APPEARS_WITHIN`], and panics with the page's text when it does not come.

mod driver;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::http::call;
use driver::Driver;

/// How long an element may take to appear, or a page to be left.
pub const APPEARS_WITHIN: Duration = Duration::from_secs(10);

/// How often an element may be replaced before it is clicked.
const REPLACED_MAX: usize = 10;

/// The name WebDriver gives to references to elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A size and a preference of the visitor.
#[derive(Debug, Clone, Copy)]
pub struct View {
    width: u32,
    height: u32,
    mobile: bool,
    dark: bool,
}

impl View {
    /// A window on a desk, light.
    pub const DESK: Self = Self {
        width: 1280,
        height: 860,
        mobile: false,
        dark: false,
    };
    /// A small phone held upright, light.
    pub const PHONE: Self = Self {
        width: 360,
        height: 740,
        mobile: true,
        dark: false,
    };

    /// The same for a visitor who prefers dark pages.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// A browser with one tab and a fresh profile. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    session: String,
    // Ends browser and driver when dropped.
    _driver: Driver,
}

impl Browser {
    /// Whether there is a Chromium and its driver; the error says what is missing.
    pub fn available() -> Result<(), String> {
        driver::programs().map(drop)
    }

    /// Starts chromedriver on a free port and a browser in it, at [`View::DESK`].
    ///
    /// # Panics
    /// When either does not start.
    pub async fn start() -> Self {
        let driver = Driver::start().await.unwrap_or_else(|why| panic!("{why}"));
        let session = driver.session().await.unwrap_or_else(|why| panic!("{why}"));
        let browser = Self {
            session,
            _driver: driver,
        };
        browser.view(View::DESK).await;
        browser
    }

    async fn try_command(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let request = call(method.clone(), format!("{}{path}", self.session));
        let request = if method == Method::POST {
            request.json(body)
        } else {
            request
        };
        let answer = request.try_send().await?;
        let value = answer.json()["value"].take();
        if answer.status.is_success() {
            Ok(value)
        } else {
            Err(format!("{path}: {}", value["message"]))
        }
    }

    async fn command(&self, method: Method, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body)
            .await
            .unwrap_or_else(|why| panic!("{why}"))
    }

    async fn cdp(&self, command: &str, params: Value) -> Value {
        self.command(
            Method::POST,
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": params }),
        )
        .await
    }

    /// Shows pages as in `view` from now on.
    pub async fn view(&self, view: View) {
        let size = json!({
            "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.mobile,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if view.dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            // Still pictures compare better.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    /// Opens a page and waits until it has loaded.
    pub async fn goto(&self, url: &str) {
        self.command(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// Where the browser is.
    pub async fn url(&self) -> String {
        self.command(Method::GET, "/url", &Value::Null)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The page's title.
    pub async fn title(&self) -> String {
        self.command(Method::GET, "/title", &Value::Null)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    async fn now(&self, css: &str) -> Vec<String> {
        let query = json!({ "using": "css selector", "value": css });
        let found = self
            .try_command(Method::POST, "/elements", &query)
            .await
            .unwrap_or_default();
        let id = |element: &Value| element[ELEMENT].as_str().map(str::to_owned);
        found
            .as_array()
            .map(|all| all.iter().filter_map(id).collect())
            .unwrap_or_default()
    }

    /// How many elements fit `css` right now.
    pub async fn count(&self, css: &str) -> usize {
        self.now(css).await.len()
    }

    /// Waits for the first element that fits.
    async fn find(&self, css: &str) -> String {
        let waiting = async {
            loop {
                if let Some(first) = self.now(css).await.into_iter().next() {
                    return first;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(element) = tokio::time::timeout(APPEARS_WITHIN, waiting).await else {
            panic!("no {css} on {}:\n{}", self.url().await, self.body_text().await)
        };
        element
    }

    /// Waits for an element to appear.
    pub async fn wait_for(&self, css: &str) {
        self.find(css).await;
    }

    /// Waits until the browser is at a URL that `accepts` says yes to.
    ///
    /// # Panics
    /// When it does not get there in time.
    pub async fn wait_for_url(&self, accepts: impl Fn(&str) -> bool) {
        let waiting = async {
            while !accepts(&self.url().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let there = tokio::time::timeout(APPEARS_WITHIN, waiting).await.is_ok();
        assert!(
            there,
            "still on {}:\n{}",
            self.url().await,
            self.body_text().await
        );
    }

    /// Clicks the first element that fits, scrolled into view; waits for the page it may lead to.
    ///
    /// # Panics
    /// When there is none in time, or it cannot be clicked.
    pub async fn click(&self, css: &str) {
        // A page that keeps itself up to date may replace an element between being found and being clicked.
        for _ in 0..REPLACED_MAX {
            let element = self.find(css).await;
            let path = format!("/element/{element}/click");
            match self.try_command(Method::POST, &path, &json!({})).await {
                Ok(_) => return,
                Err(why) if why.contains("stale element") => {}
                Err(why) => panic!("{css}: {why}"),
            }
        }
        panic!("{css} is replaced again and again");
    }

    /// Replaces what stands in the first input that fits.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.command(Method::POST, &format!("/element/{element}/clear"), &json!({}))
            .await;
        self.command(
            Method::POST,
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        )
        .await;
    }

    /// Presses one key wherever the focus is; `\u{E004}` is Tab, `\u{E007}` Enter.
    pub async fn press(&self, key: char) {
        let steps = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": steps }] });
        self.command(Method::POST, "/actions", &actions).await;
    }

    /// The visible text of the first element that fits.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        let text = self
            .command(Method::GET, &format!("/element/{element}/text"), &Value::Null)
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The visible text of the page.
    pub async fn body_text(&self) -> String {
        let text = self
            .script("return document.body ? document.body.innerText : ''")
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page and gives what it returns. To look, not to act: visitors have no scripts.
    pub async fn script(&self, script: &str) -> Value {
        self.command(
            Method::POST,
            "/execute/sync",
            &json!({ "script": script, "args": [] }),
        )
        .await
    }

    /// What the browser complained about since it was last asked: blocked by policy, not found, errors.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self
            .command(Method::POST, "/se/log", &json!({ "type": "browser" }))
            .await;
        let line = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        log.as_array()
            .map(|all| all.iter().map(line).collect())
            .unwrap_or_default()
    }

    /// Writes a picture of the whole page, below the fold included, to `path` (PNG); makes its folder.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub async fn screenshot(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let options = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.cdp("Page.captureScreenshot", options).await;
        let bytes = STANDARD
            .decode(picture["data"].as_str().unwrap_or_default())
            .expect("base64 of a picture");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder for pictures");
        }
        std::fs::write(path, bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    }
}
