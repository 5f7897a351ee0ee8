//! The chromedriver process and the one session in it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::http::call;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Nothing that phones home, asks, or needs a GPU. Tests run as root in containers, where the sandbox cannot.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    // By its own name a headless browser is a robot, and tests are about people.
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
];

/// The programs, as found on PATH.
#[derive(Debug)]
pub(super) struct Programs {
    driver: PathBuf,
    browser: PathBuf,
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let candidates = |dir: PathBuf| names.iter().map(move |name| dir.join(name)).collect::<Vec<_>>();
    std::env::split_paths(&path)
        .flat_map(candidates)
        .find(|file| file.is_file())
}

/// Both programs, or what is missing.
pub(super) fn programs() -> Result<Programs, String> {
    let driver = on_path(&["chromedriver"]).ok_or("chromedriver is not on PATH")?;
    let browser = on_path(&[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ]);
    Ok(Programs {
        driver,
        browser: browser.ok_or("no Chromium on PATH")?,
    })
}

/// A running chromedriver. Dropping it ends it and every browser process it started.
#[derive(Debug)]
pub(super) struct Driver {
    process: Child,
    url: String,
    browser: PathBuf,
    profile: TempDir,
}

impl Driver {
    /// Starts it on a port it chooses itself and tells on its standard output.
    pub(super) async fn start() -> Result<Self, String> {
        let Programs { driver, browser } = programs()?;
        let profile = tempfile::tempdir().map_err(|why| why.to_string())?;
        let mut process = Command::new(&driver)
            .arg("--port=0")
            // A group of its own, so that the browser's processes can be ended with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("{}: {why}", driver.display()))?;
        let output = process.stdout.take().ok_or("chromedriver has no output")?;
        let mut started = Self {
            process,
            url: String::new(),
            browser,
            profile,
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        // Reads on to the end: a full pipe would stop chromedriver.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let port = line
                    .split("on port ")
                    .nth(1)
                    .and_then(|rest| rest.trim_end_matches('.').parse::<u16>().ok());
                if let (Some(port), Some(tell)) =
                    (port, tell.take_if(|_| line.contains("started successfully")))
                {
                    // Nobody listens any more when the start has timed out.
                    let _ = tell.send(port);
                }
            }
        });
        let port = tokio::time::timeout(STARTS_WITHIN, told).await;
        let port = port
            .ok()
            .and_then(Result::ok)
            .ok_or("chromedriver did not say its port")?;
        started.url = format!("http://127.0.0.1:{port}");
        Ok(started)
    }

    /// Starts a browser and gives the session's URL.
    pub(super) async fn session(&self) -> Result<String, String> {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": self.browser, "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": 15_000, "script": 5_000, "implicit": 0 },
        } } });
        let answer = call(Method::POST, format!("{}/session", self.url))
            .json(&capabilities)
            .try_send()
            .await?;
        let value = &answer.json()["value"];
        match value["sessionId"].as_str() {
            Some(id) => Ok(format!("{}/session/{id}", self.url)),
            None => Err(format!("no browser: {}", value["message"])),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let ended = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        if !ended.is_ok_and(|status| status.success()) {
            // Without the program `kill` the driver alone is ended.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
