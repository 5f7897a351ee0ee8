//! A redirect's cost beside nginx: the shortener role with every click counted and analysed, its consumer on the same core.
//!
//! In one run, interleaved: servers pinned to one core, the generator to the other. The figure is CPU time a redirect, which holds
//! also where the generator was the limit; a round with an error counts for nothing. The throughput beside it is void
//! unless the server's core was at least 95 % busy. Afterwards each is offered half of what the shortener can do, for its p99.

use std::path::PathBuf;
use std::time::Duration;

use super::load::{Script, build_offered, ensure, offer};
use super::page::Section;
use super::platform::{Process, fresh_folder, release_binary};
use super::roles::{Roles, Setup};
use super::{median, nginx};
use crate::run::Outcome;

const NGINX: u16 = 18220;
/// Below this share the server was not what limited the run, and its throughput means little.
const BUSY_MIN: f64 = 0.95;
/// The share of nginx's CPU cost that the project promises.
const TARGET: f64 = 0.7;
/// What analytics may add to a redirect's cost.
const ANALYTICS_MAX: f64 = 1.15;
/// How long the consumer may take to count what the run left behind.
const LAG_MAX: Duration = Duration::from_secs(1);

/// One server, and what was measured of it.
struct Arm<'a> {
    name: &'static str,
    port: u16,
    path: String,
    cpu: Box<dyn Fn() -> Result<Duration, String> + 'a>,
    /// Whose clicks are waited for after a round.
    counts: Option<&'a Roles>,
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
    p99_us: Vec<f64>,
}

impl<'a> Arm<'a> {
    fn new(
        name: &'static str,
        port: u16,
        path: String,
        cpu: impl Fn() -> Result<Duration, String> + 'a,
    ) -> Self {
        Self {
            name,
            port,
            path,
            cpu: Box::new(cpu),
            counts: None,
            cpu_us: Vec::new(),
            per_second: Vec::new(),
            p99_us: Vec::new(),
        }
    }

    fn counting(self, roles: &'a Roles) -> Self {
        Self {
            counts: Some(roles),
            ..self
        }
    }

    fn round(&mut self, round: u32, script: &Script, seconds: u32) -> Outcome {
        let before = self.counts.map(Roles::clicks).transpose()?.unwrap_or_default();
        let cpu = (self.cpu)()?;
        let sent = script.run(self.port, &self.path, None, seconds)?;
        let cpu = (self.cpu)()?.saturating_sub(cpu);
        let mut note = String::new();
        if let Some(roles) = self.counts {
            let (lag, counted) = roles.wait_counted(before + sent.requests, 5 * LAG_MAX)?;
            note = format!(
                "{} clicks counted {} ms after the last answer",
                counted - before,
                lag.as_millis()
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let count = sent.requests as f64;
        let (cpu_us, per_second) = (cpu.as_secs_f64() * 1e6 / count, count / sent.wall.as_secs_f64());
        let busy = cpu.as_secs_f64() / f64::from(seconds);
        let shown = if busy < BUSY_MIN {
            "void".to_owned()
        } else {
            format!("{per_second:.0}")
        };
        if sent.errors {
            note.insert_str(0, "ERRORS: counts for nothing; ");
        } else {
            self.cpu_us.push(cpu_us);
            self.per_second.push(per_second);
        }
        println!(
            "{round:>5} {:>20} {shown:>9} {cpu_us:>8.2} {busy:>6.2}   {note}",
            self.name
        );
        Ok(())
    }
}

pub(super) fn bench(seconds: u32, rounds: u32, binary: Option<PathBuf>) -> Result<Section, String> {
    ensure(&["nginx", "wrk"])?;
    let binary = release_binary(binary)?;
    build_offered()?;
    let folder = fresh_folder("redirect")?;
    let script = Script::visitors(&folder)?;
    let nginx = nginx::start(NGINX, &folder)?;
    let full = Setup {
        port_base: 18180,
        set: &[],
        gateway: true,
    };
    let full = Roles::start(&binary, &folder, &full)?;
    let off = ["shortener.clicks.analytics=off"];
    let off = Setup {
        port_base: 18240,
        set: &off,
        gateway: false,
    };
    let off = Roles::start(&binary, &folder, &off)?;
    let path = |roles: &Roles| format!("/{}", roles.code);
    let mut arms = [
        Arm::new("nginx", NGINX, "/".to_owned(), || nginx.cpu()),
        Arm::new("shortener", full.api_port(), path(&full), || full.shortener.cpu()).counting(&full),
        Arm::new("without analytics", off.api_port(), path(&off), || {
            off.shortener.cpu()
        }),
        Arm::new("through the gateway", full.gateway_port(), path(&full), || {
            full.cpu()
        })
        .counting(&full),
    ];
    println!("CPU us a redirect; servers on core 0, wrk on core 1, {seconds} s a round");
    println!(
        "{:>5} {:>20} {:>9} {:>8} {:>6}   note",
        "round", "server", "per s", "CPU us", "busy"
    );
    for round in 1..=rounds {
        for arm in &mut arms {
            arm.round(round, &script, seconds)?;
        }
    }
    at_half_load(&mut arms[..2], rounds, seconds)?;
    Ok(section(&arms, rounds))
}

/// The same rate to each, by turns: half of what the slower of them can do.
fn at_half_load(arms: &mut [Arm<'_>], rounds: u32, seconds: u32) -> Outcome {
    let half = arms
        .iter()
        .map(|arm| median(&arm.per_second))
        .fold(f64::INFINITY, f64::min)
        / 2.0;
    println!("\nat {half:.0} a second, each answer timed from when its request was due:");
    for round in 1..=rounds {
        for arm in arms.iter_mut() {
            let offered = offer(arm.port, &arm.path, half, seconds)?;
            // Where the generator did not keep up, the figure is its own.
            let kept_up = offered.refused == 0 && offered.own_p99_us < offered.p99_us / 2.0;
            println!(
                "{round:>5} {:>20} p50 {:>6.0} us, p99 {:>6.0} us   the generator itself {:.0} us late, {} not answered{}",
                arm.name,
                offered.p50_us,
                offered.p99_us,
                offered.own_p99_us,
                offered.refused,
                if kept_up { "" } else { ": void" }
            );
            if kept_up {
                arm.p99_us.push(offered.p99_us);
            }
        }
    }
    Ok(())
}

/// The median ratio of two arms in one round each: what else the machine did then, both felt.
fn share(over: &Arm<'_>, under: &Arm<'_>) -> f64 {
    let pairs = over.cpu_us.iter().zip(&under.cpu_us);
    median(&pairs.map(|(over, under)| over / under).collect::<Vec<_>>())
}

fn section(arms: &[Arm<'_>; 4], rounds: u32) -> Section {
    let [nginx, full, off, gateway] = arms;
    let figure = |values: &[f64], digits: usize| match values {
        [] => "void".to_owned(),
        values => format!("{:.digits$}", median(values)),
    };
    let rows = arms.iter().map(|arm| {
        vec![
            arm.name.to_owned(),
            figure(&arm.cpu_us, 1),
            figure(&arm.per_second, 0),
            format!("{:.2}", share(nginx, arm)),
            figure(&arm.p99_us, 0),
        ]
    });
    let p99 = if full.p99_us.is_empty() || nginx.p99_us.is_empty() {
        "p99 at half load: not measured, the generator did not keep up".to_owned()
    } else {
        format!(
            "p99 at half load: {:.2} times nginx's (promised: at most 2)",
            median(&full.p99_us) / median(&nginx.p99_us)
        )
    };
    Section {
        title: "A redirect beside nginx",
        command: "cargo xtask bench redirect".to_owned(),
        means: "The shortener with every click counted and analysed, beside nginx `return 302`, by turns on one core, wrk on the other. CPU time a\n\
                redirect holds also where the generator was the limit. The p99 is at half of what the slower can do, from when each was due.",
        columns: vec![
            "server",
            "CPU us a redirect",
            "per s",
            "of nginx",
            "p99 at half load, us",
        ],
        rows: rows.collect(),
        findings: vec![
            format!(
                "median of {rounds} rounds: nginx {:.1} us, shortener {:.1} us: {:.2} of nginx (promised: at least {TARGET}, stretch 0.85)",
                median(&nginx.cpu_us),
                median(&full.cpu_us),
                share(nginx, full)
            ),
            format!(
                "analytics cost {:.2} times the run without (promised: at most {ANALYTICS_MAX})",
                share(full, off)
            ),
            format!(
                "through the gateway: {:.1} us in both processes, {:.2} of nginx",
                median(&gateway.cpu_us),
                share(nginx, gateway)
            ),
            p99,
        ],
    }
}

/// Memory over very many redirects: what is held at each tenth.
pub(super) fn memory(redirects: u64, binary: Option<PathBuf>) -> Result<Section, String> {
    ensure(&["wrk"])?;
    let binary = release_binary(binary)?;
    let folder = fresh_folder("memory")?;
    let script = Script::visitors(&folder)?;
    let setup = Setup {
        port_base: 18180,
        set: &[],
        gateway: false,
    };
    let roles = Roles::start(&binary, &folder, &setup)?;
    let (mut sent, mut next, mut held) = (0, redirects / 10, Vec::new());
    while sent < redirects {
        sent += script
            .run(roles.api_port(), &format!("/{}", roles.code), None, 10)?
            .requests;
        if sent >= next {
            held.push((sent, resident(&roles.shortener, sent)?));
            next += redirects / 10;
        }
    }
    let (lag, counted) = roles.wait_counted(sent, 60 * LAG_MAX)?;
    let megabytes: Vec<f64> = held.iter().map(|(_, megabytes)| *megabytes).collect();
    let (early, late) = megabytes.split_at(megabytes.len() / 2);
    Ok(Section {
        title: "Memory over very many redirects",
        command: format!("cargo xtask bench memory --redirects {redirects}"),
        means: "What the shortener holds as redirects go on, each counted and analysed. Its peer is itself, earlier: what grows is kept for\n\
                nothing.",
        columns: vec!["redirects so far", "resident, MB"],
        rows: held
            .iter()
            .map(|(sent, megabytes)| vec![sent.to_string(), format!("{megabytes:.1}")])
            .collect(),
        findings: vec![
            format!(
                "first half at most {:.1} MB, second half at most {:.1} MB: {:.2} times",
                most(early),
                most(late),
                most(late) / most(early)
            ),
            format!(
                "{counted} of {sent} clicks counted {} ms after the last answer",
                lag.as_millis()
            ),
        ],
    })
}

fn resident(process: &Process, sent: u64) -> Result<f64, String> {
    let held = process.resident_mb()?;
    println!("{sent:>10} redirects: {held:.1} MB resident");
    Ok(held)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
