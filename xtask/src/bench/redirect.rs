//! A redirect's cost beside nginx: the shortener role with every click recorded, its consumer on the same core.
//!
//! In one run, interleaved: server pinned to one core, generator to the other. The figure is CPU time a redirect, which holds
//! also where the generator was the limit; a round with an error counts for nothing. The throughput beside it is void
//! unless the server's core was at least 95 % busy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::platform::{Process, fresh_folder, release_binary, request, wait_ready};
use super::{median, now};
use crate::programs::install_debian;
use crate::run::{Outcome, command, prints, which};

const PORT_BASE: u16 = 18180;
const ISSUER_ADMIN: u16 = PORT_BASE + 13;
const SHORTENER: u16 = PORT_BASE + 14;
const SHORTENER_ADMIN: u16 = PORT_BASE + 15;
const NGINX: u16 = PORT_BASE + 40;

const SERVER_CORE: u32 = 0;
const GENERATOR_CORE: &str = "1";
const CONNECTIONS: &str = "64";
/// Below this share the server was not what limited the run, and its throughput means little.
const BUSY_MIN: f64 = 0.95;
/// The share of nginx's CPU cost that the project promises.
const TARGET: f64 = 0.65;
/// How long the consumer may take to count what the run left behind.
const LAG_MAX: Duration = Duration::from_secs(1);

/// One measured round of one server.
struct Round {
    per_second: f64,
    cpu_us: f64,
    busy: f64,
    errors: bool,
}

pub(super) fn bench(seconds: u32, rounds: u32, binary: Option<PathBuf>) -> Outcome {
    let absent: Vec<&str> = ["nginx", "wrk"]
        .into_iter()
        .filter(|p| which(p).is_none())
        .collect();
    if !absent.is_empty() {
        install_debian(&absent)
            .map_err(|why| format!("{why}; needed: apt-get install {}", absent.join(" ")))?;
    }
    let binary = release_binary(binary)?;
    let folder = fresh_folder("redirect")?;
    let nginx = start_nginx(&folder)?;
    let ours = Ours::start(&binary, &folder)?;
    println!(
        "CPU us a redirect; server on core {SERVER_CORE}, wrk on core {GENERATOR_CORE}, {seconds} s a round"
    );
    println!(
        "{:>5} {:>10} {:>9} {:>8} {:>6}   note",
        "round", "server", "per s", "CPU us", "busy"
    );
    let (mut nginx_us, mut our_us, mut ratios, mut lags) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let theirs = measure(&nginx, NGINX, "/", seconds)?;
        show(round, "nginx", &theirs, "");
        let before = ours.clicks()?;
        let (mine, sent) = ours.measure(seconds)?;
        let (lag, counted) = ours.wait_counted(before + sent)?;
        let note = format!(
            "{counted} clicks counted {} ms after the last answer",
            lag.as_millis()
        );
        show(round, "shortener", &mine, &note);
        lags.push(lag);
        if theirs.errors || mine.errors {
            continue;
        }
        nginx_us.push(theirs.cpu_us);
        our_us.push(mine.cpu_us);
        ratios.push(theirs.cpu_us / mine.cpu_us);
    }
    let lag = lags.iter().max().copied().unwrap_or_default();
    println!(
        "median: nginx {:.1} us, shortener {:.1} us, ratio {:.2} (promised: at least {TARGET}); {} of {rounds} rounds without an error; longest lag {} ms (at most {})",
        median(&nginx_us),
        median(&our_us),
        median(&ratios),
        ratios.len(),
        lag.as_millis(),
        LAG_MAX.as_millis()
    );
    Ok(())
}

fn show(round: u32, server: &str, row: &Round, note: &str) {
    let per_second = if row.busy < BUSY_MIN {
        "void".to_owned()
    } else {
        format!("{:.0}", row.per_second)
    };
    let errors = if row.errors {
        "ERRORS: counts for nothing; "
    } else {
        ""
    };
    println!(
        "{round:>5} {server:>10} {per_second:>9} {:>8.2} {:>6.2}   {errors}{note}",
        row.cpu_us, row.busy
    );
}

fn start_nginx(folder: &Path) -> Result<Process, String> {
    let prefix = folder.display();
    let config = format!(
        "worker_processes 1; daemon off; master_process off; pid {prefix}/nginx.pid; error_log {prefix}/nginx.err;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n\
         server {{ listen 127.0.0.1:{NGINX}; location / {{ return 302 https://example.com/some/page; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
    let file = file.to_str().ok_or("the target folder's name is not text")?;
    let program = which("nginx").ok_or("nginx is not on PATH")?;
    let process = Process::start(
        &program,
        &["-c", file],
        Some(SERVER_CORE),
        &folder.join("nginx.log"),
    )?;
    let started = now();
    while request(NGINX, "GET / HTTP/1.1", "").is_err() {
        if started.elapsed() > Duration::from_secs(5) {
            return Err(format!(
                "nginx did not answer; see {}",
                folder.join("nginx.log").display()
            ));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(process)
}

/// The shortener role in a process of its own, an issuer beside it for the one token that makes the link.
struct Ours {
    shortener: Process,
    _issuer: Process,
    token: String,
    code: String,
}

impl Ours {
    fn start(binary: &Path, folder: &Path) -> Result<Self, String> {
        let data = folder.join("data");
        let data = data.to_str().ok_or("the target folder's name is not text")?;
        let base = PORT_BASE.to_string();
        let common = ["--data", data, "--port-base", &base];
        let serve = |role: &str, core: Option<u32>| {
            let mut args = vec!["serve", role];
            args.extend(common);
            Process::start(binary, &args, core, &folder.join(format!("{role}.log")))
        };
        let issuer = serve("issuer", None)?;
        wait_ready(&[ISSUER_ADMIN])?;
        let shortener = serve("shortener", Some(SERVER_CORE))?;
        wait_ready(&[SHORTENER_ADMIN])?;
        let token =
            prints(command(binary).args(["token", "--tenant", "bench", "--user", "bench", "--data", data]))?;
        let token = token.trim().to_owned();
        let head = format!(
            "POST /v1/links HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json"
        );
        let (status, body) = request(SHORTENER, &head, r#"{"url":"https://example.com/some/page"}"#)?;
        let code = text_field(&body, "code")
            .filter(|_| status == 201)
            .ok_or(format!("no link: {status} {body}"))?;
        Ok(Ours {
            shortener,
            _issuer: issuer,
            token,
            code,
        })
    }

    fn measure(&self, seconds: u32) -> Result<(Round, u64), String> {
        let (row, sent) = measure_counted(&self.shortener, SHORTENER, &format!("/{}", self.code), seconds)?;
        Ok((row, sent))
    }

    /// Clicks that the store has counted.
    fn clicks(&self) -> Result<u64, String> {
        let head = format!(
            "GET /v1/links/{} HTTP/1.1\r\nAuthorization: Bearer {}",
            self.code, self.token
        );
        let (status, body) = request(SHORTENER, &head, "")?;
        let value: serde_json::Value =
            serde_json::from_str(&body).map_err(|e| format!("{status} {body}: {e}"))?;
        let clicks = &value["clicks"];
        clicks
            .as_u64()
            .or_else(|| clicks.as_str()?.parse().ok())
            .ok_or(format!("no clicks in {body}"))
    }

    /// How long the consumer needs after the last answer until the clicks are counted, and how many it counted.
    fn wait_counted(&self, expected: u64) -> Result<(Duration, u64), String> {
        let started = now();
        loop {
            let clicks = self.clicks()?;
            if clicks >= expected || started.elapsed() > 5 * LAG_MAX {
                return Ok((started.elapsed(), clicks));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn measure(server: &Process, port: u16, path: &str, seconds: u32) -> Result<Round, String> {
    measure_counted(server, port, path, seconds).map(|(row, _)| row)
}

fn measure_counted(server: &Process, port: u16, path: &str, seconds: u32) -> Result<(Round, u64), String> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let (cpu_before, started) = (server.cpu()?, now());
    let wrk = [
        "-c",
        GENERATOR_CORE,
        "wrk",
        "-t1",
        "-c",
        CONNECTIONS,
        "-d",
        &format!("{seconds}s"),
        &url,
    ];
    let printed = prints(command("taskset").args(wrk))?;
    let (cpu, wall) = (server.cpu()?.saturating_sub(cpu_before), started.elapsed());
    let requests: u64 = printed
        .lines()
        .find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok())
        .ok_or(format!("wrk printed no count:\n{printed}"))?;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
    let count = requests as f64;
    let row = Round {
        per_second: count / wall.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
        busy: cpu.as_secs_f64() / f64::from(seconds),
        errors: printed.contains("Socket errors") || printed.contains("Non-2xx or 3xx"),
    };
    Ok((row, requests))
}

fn text_field(json: &str, field: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    value[field].as_str().map(str::to_owned)
}
