//! The shortener in a process of its own, with the issuer that its token comes from, and where asked for the gateway before it.

use std::path::Path;
use std::time::Duration;

use super::load::SERVER_CORE;
use super::now;
use super::platform::{Process, request, wait_ready};
use crate::run::{command, prints};

/// How roles are started.
pub(super) struct Setup<'a> {
    pub(super) port_base: u16,
    /// Settings that differ from the defaults.
    pub(super) set: &'a [&'a str],
    pub(super) gateway: bool,
}

/// What was started.
pub(super) struct Roles {
    pub(super) shortener: Process,
    pub(super) gateway: Option<Process>,
    _issuer: Process,
    pub(super) token: String,
    /// Of the link that is followed.
    pub(super) code: String,
    port_base: u16,
}

impl Roles {
    pub(super) fn start(binary: &Path, folder: &Path, setup: &Setup<'_>) -> Result<Self, String> {
        let data = folder.join(format!("data-{}", setup.port_base));
        let data = data.to_str().ok_or("the target folder's name is not text")?;
        let base = setup.port_base.to_string();
        let mut common = vec!["--data", data, "--port-base", &base];
        common.extend(setup.set.iter().flat_map(|set| ["--set", set]));
        let issuer_at = format!("issuer.public_url=http://127.0.0.1:{base}");
        let jwks = format!(
            "shortener.jwks_url=http://127.0.0.1:{}/.well-known/jwks.json",
            setup.port_base + 12
        );
        let tokens = format!("shortener.tokens.issuer=http://127.0.0.1:{base}");
        let at_gateway = format!("gateway.tokens.issuer=http://127.0.0.1:{base}");
        let upstream = format!(
            "gateway.upstreams.issuer=http://127.0.0.1:{}",
            setup.port_base + 12
        );
        common.extend([
            "--set",
            &issuer_at,
            "--set",
            &jwks,
            "--set",
            &tokens,
            "--set",
            &at_gateway,
            "--set",
            &upstream,
        ]);
        let serve = |role: &str, core: Option<u32>| {
            let mut args = vec!["serve", role];
            args.extend(&common);
            Process::start(binary, &args, core, &folder.join(format!("{role}-{base}.log")))
        };
        let issuer = serve("issuer", None)?;
        wait_ready(&[setup.port_base + 13])?;
        let shortener = serve("shortener", Some(SERVER_CORE))?;
        wait_ready(&[setup.port_base + 15])?;
        let gateway = if setup.gateway {
            Some(serve("gateway", Some(SERVER_CORE))?)
        } else {
            None
        };
        if gateway.is_some() {
            wait_ready(&[setup.port_base + 11])?;
        }
        let mut token = vec!["token", "--tenant", "bench", "--user", "bench"];
        token.extend(&common);
        let token = prints(command(binary).args(token))?.trim().to_owned();
        let mut roles = Self {
            shortener,
            gateway,
            _issuer: issuer,
            token,
            code: String::new(),
            port_base: setup.port_base,
        };
        let (status, body) = roles.send("POST /v1/links", r#"{"url":"https://example.com/some/page"}"#)?;
        let made: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let code = made["code"].as_str().ok_or(format!("no link: {status} {body}"))?;
        roles.code.push_str(code);
        Ok(roles)
    }

    /// The shortener's own port.
    pub(super) fn api_port(&self) -> u16 {
        self.port_base + 14
    }

    /// The gateway's.
    pub(super) fn gateway_port(&self) -> u16 {
        self.port_base
    }

    /// A request of the management API, at the shortener itself.
    pub(super) fn send(&self, what: &str, body: &str) -> Result<(u16, String), String> {
        let head = format!(
            "{what} HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json",
            self.token
        );
        request(self.api_port(), &head, body)
    }

    /// Clicks that are in the counts.
    pub(super) fn clicks(&self) -> Result<u64, String> {
        let (status, body) = self.send(&format!("GET /v1/links/{}", self.code), "")?;
        let value: serde_json::Value =
            serde_json::from_str(&body).map_err(|e| format!("{status} {body}: {e}"))?;
        value["clicks"].as_u64().ok_or(format!("no clicks in {body}"))
    }

    /// How long it takes until so many clicks are counted, and how many are then.
    pub(super) fn wait_counted(&self, expected: u64, most: Duration) -> Result<(Duration, u64), String> {
        let started = now();
        loop {
            let clicks = self.clicks()?;
            if clicks >= expected || started.elapsed() > most {
                return Ok((started.elapsed(), clicks));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The sum of a counter of the shortener over all lines that hold these labels.
    pub(super) fn counter(&self, name: &str, labels: &str) -> Result<f64, String> {
        let (_, text) = request(self.port_base + 15, "GET /metrics HTTP/1.1", "")?;
        let of_name = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let lines = text.lines().filter(of_name).filter(|line| line.contains(labels));
        Ok(lines
            .filter_map(|line| line.split(' ').nth(1)?.parse::<f64>().ok())
            .sum())
    }

    /// CPU time of every role that answers redirects.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        let gateway = self.gateway.as_ref().map(Process::cpu).transpose()?;
        Ok(self.shortener.cpu()? + gateway.unwrap_or_default())
    }
}
