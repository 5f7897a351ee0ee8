//! Load from another core: `wrk` as fast as it goes, or at a constant rate by the `offered` example of `shared/load`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::now;
use crate::programs::install_debian;
use crate::run::{cargo, command, passes, prints, target, which};

/// Where the generator runs; servers run on the other core.
pub(super) const GENERATOR_CORE: &str = "1";
pub(super) const SERVER_CORE: u32 = 0;
const CONNECTIONS: u32 = 64;
/// Different people in the load, each with an address, a browser and a page they come from.
const VISITORS: u32 = 200;

/// Fetches what is missing.
pub(super) fn ensure(programs: &[&str]) -> Result<(), String> {
    let absent: Vec<&str> = programs.iter().copied().filter(|p| which(p).is_none()).collect();
    if absent.is_empty() {
        return Ok(());
    }
    install_debian(&absent).map_err(|why| format!("{why}; needed: apt-get install {}", absent.join(" ")))
}

/// What a run of `wrk` came to.
pub(super) struct Sent {
    pub(super) requests: u64,
    pub(super) wall: Duration,
    pub(super) errors: bool,
}

/// A script for `wrk`.
pub(super) struct Script(PathBuf);

impl Script {
    /// Follows a link as many people do: the same requests go to every server that is compared.
    pub(super) fn visitors(folder: &Path) -> Result<Self, String> {
        let browsers = [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        ];
        let mut text = String::from("local all = {}\n");
        for (visitor, browser) in (0..VISITORS).zip(browsers.iter().cycle()) {
            let _ = writeln!(
                text,
                "all[#all + 1] = wrk.format('GET', nil, {{['User-Agent'] = '{browser}', \
                 ['X-Forwarded-For'] = '203.0.113.{}', ['Referer'] = 'https://news{}.example/today'}})",
                visitor % 250 + 1,
                visitor % 7
            );
        }
        // `wrk.format` needs the path, which is known when the threads are.
        let text = format!(
            "local all\nlocal at = 0\nfunction init()\n{}\n_G.all = all\nend\n\
             function request() at = at % #_G.all + 1 return _G.all[at] end\n",
            text.replace("local all = {}", "all = {}")
        );
        Self::write(folder.join("visitors.lua"), &text)
    }

    /// Posts one body again and again.
    pub(super) fn post(file: PathBuf, token: &str, body: &str) -> Result<Self, String> {
        let text = format!(
            "wrk.method = 'POST'\nwrk.headers['Authorization'] = 'Bearer {token}'\n\
             wrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[{body}]]\n"
        );
        Self::write(file, &text)
    }

    /// One of our own making.
    pub(super) fn of(file: PathBuf, text: &str) -> Result<Self, String> {
        Self::write(file, text)
    }

    fn write(file: PathBuf, text: &str) -> Result<Self, String> {
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(Self(file))
    }

    /// As fast as it goes, for so long, on the generator's core.
    pub(super) fn run(
        &self,
        port: u16,
        path: &str,
        connections: Option<u32>,
        seconds: u32,
    ) -> Result<Sent, String> {
        let mut pinned = command("taskset");
        pinned.args(["-c", GENERATOR_CORE, "wrk"]);
        self.send(pinned, port, path, (connections.unwrap_or(CONNECTIONS), seconds))
    }

    /// The same on whatever core is free, as a peer's own generator runs.
    pub(super) fn run_anywhere(
        &self,
        port: u16,
        path: &str,
        (connections, seconds): (u32, u32),
    ) -> Result<Sent, String> {
        self.send(command("wrk"), port, path, (connections, seconds))
    }

    fn send(
        &self,
        mut wrk: Command,
        port: u16,
        path: &str,
        (connections, seconds): (u32, u32),
    ) -> Result<Sent, String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let connections = connections.to_string();
        let duration = format!("{seconds}s");
        let script = self.0.to_str().ok_or("the target folder's name is not text")?;
        let arguments = [
            "-t1",
            "-c",
            &connections,
            "--timeout",
            "20s",
            "-d",
            &duration,
            "-s",
            script,
            &url,
        ];
        let started = now();
        let printed = prints(wrk.args(arguments))?;
        let wall = started.elapsed();
        let requests = printed
            .lines()
            .find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok())
            .ok_or(format!("wrk printed no count:\n{printed}"))?;
        let errors = printed.contains("Socket errors") || printed.contains("Non-2xx or 3xx");
        Ok(Sent {
            requests,
            wall,
            errors,
        })
    }
}

/// What a constant rate came to.
pub(super) struct Offered {
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) refused: u64,
    /// How late the generator itself was.
    pub(super) own_p99_us: f64,
}

/// Offers a constant rate to a server, from the generator's core.
pub(super) fn offer(port: u16, path: &str, per_second: f64, seconds: u32) -> Result<Offered, String> {
    let mut pinned = command("taskset");
    pinned.args(["-c", GENERATOR_CORE]).arg(offering());
    offer_with(pinned, port, path, (per_second, seconds), &[])
}

/// Posts a body at a constant rate from whatever core is free, under a key of its own each time; `{n}` and `{m}` in it are two numbers up
/// to 1,000.
pub(super) fn offer_posts(
    port: u16,
    path: &str,
    load: (f64, u32),
    (token, body): (&str, &str),
) -> Result<Offered, String> {
    offer_with(command(offering()), port, path, load, &[token, body])
}

fn offering() -> PathBuf {
    target().join("release/examples/offered")
}

fn offer_with(
    mut offered: Command,
    port: u16,
    path: &str,
    (per_second, seconds): (f64, u32),
    posted: &[&str],
) -> Result<Offered, String> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let (rate, seconds) = (format!("{per_second:.0}"), seconds.to_string());
    let printed = prints(offered.args([&url, &rate, &seconds]).args(posted))?;
    let json: serde_json::Value = serde_json::from_str(&printed).map_err(|e| format!("{printed}: {e}"))?;
    let number = |name: &str| json[name].as_u64().ok_or(format!("no {name} in {printed}"));
    Ok(Offered {
        p50_us: micros(number("p50_us")?),
        p99_us: micros(number("p99_us")?),
        refused: number("failed")?,
        own_p99_us: micros(number("own_p99_us")?),
    })
}

/// Builds what [`offer`] runs.
pub(super) fn build_offered() -> Result<(), String> {
    passes(cargo().args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "load",
        "--example",
        "offered",
    ]))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a time in microseconds is far below 2^52"
)]
fn micros(value: u64) -> f64 {
    value as f64
}
