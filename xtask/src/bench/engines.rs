//! The shortener on Redis, NATS and CQL: CPU time a redirect in every process that takes part, and how often the store is read
//! when every cache is cold.

use std::path::PathBuf;
use std::time::Duration;

use engines::{Kind, Listed, Process as EngineProcess, state};

use super::load::{Script, ensure};
use super::median;
use super::page::Section;
use super::platform::{cpu_of, fresh_folder, release_binary};
use super::roles::{Roles, Setup};
use crate::engines as ours;

/// What is read of the store to follow a link.
const ORIGIN_READ: &str = r#"operation="resolve_link""#;

/// An engine with all its processes.
struct Engine {
    kind: Kind,
    processes: Vec<EngineProcess>,
}

impl Engine {
    fn of(kind: Kind) -> Result<Self, String> {
        let file = state().join(kind.name()).join("process");
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let process = EngineProcess::parse(&text).ok_or(format!("{}: no process", file.display()))?;
        Ok(Self {
            kind,
            processes: process.family(),
        })
    }

    fn cpu(&self) -> Result<Duration, String> {
        self.processes.iter().map(|process| cpu_of(process.pid())).sum()
    }
}

pub(super) fn bench(seconds: u32, rounds: u32, binary: Option<PathBuf>) -> Result<Section, String> {
    ensure(&["wrk"])?;
    let up = ours::up(None, false)?;
    if !up.failed.is_empty() {
        return Err(ours::failures(&up.failed));
    }
    let binary = release_binary(binary)?;
    let folder = fresh_folder("engines")?;
    let script = Script::visitors(&folder)?;
    let own = own_names()?;
    let set: Vec<&str> = own.iter().map(String::as_str).collect();
    let setup = Setup {
        port_base: 18180,
        set: &set,
        gateway: true,
    };
    let engines = [Kind::Redis, Kind::Nats, Kind::Cql]
        .map(Engine::of)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let roles = Roles::start(&binary, &folder, &setup)?;
    let cold = cold_reads(&roles)?;
    println!("{cold}\n");
    println!("CPU us a redirect; roles on core 0, wrk on core 1, engines on both, {seconds} s a round");
    println!(
        "{:>5} {:>9} {:>10} {:>8} {:>7} {:>7} {:>7}",
        "round", "per s", "shortener", "gateway", "redis", "nats", "cql"
    );
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for round in 1..=rounds {
        let processes = || -> Result<Vec<Duration>, String> {
            let gateway = roles.gateway.as_ref().ok_or("no gateway")?;
            let mut all = vec![roles.shortener.cpu()?, gateway.cpu()?];
            for engine in &engines {
                all.push(engine.cpu()?);
            }
            Ok(all)
        };
        let before = processes()?;
        let load = script.run(roles.gateway_port(), &format!("/{}", roles.code), None, seconds)?;
        // Until the clicks are counted: that is part of what a redirect costs.
        roles.wait_counted(u64::MAX, Duration::from_secs(2))?;
        let after = processes()?;
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let count = load.requests as f64;
        let row: Vec<f64> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after.saturating_sub(*before).as_secs_f64() * 1e6 / count)
            .collect();
        println!(
            "{round:>5} {:>9.0} {:>10.1} {:>8.1} {:>7.1} {:>7.1} {:>7.1}{}",
            count / load.wall.as_secs_f64(),
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            if load.errors {
                "   ERRORS: counts for nothing"
            } else {
                ""
            }
        );
        if !load.errors {
            rows.push(row);
        }
    }
    Ok(section(&engines, &rows, cold))
}

fn section(engines: &[Engine], rows: &[Vec<f64>], cold: String) -> Section {
    let names = ["shortener", "gateway"]
        .into_iter()
        .chain(engines.iter().map(|engine| engine.kind.name()));
    let medians: Vec<(&str, f64)> = names
        .enumerate()
        .map(|(place, name)| {
            (
                name,
                median(&rows.iter().map(|row| row[place]).collect::<Vec<_>>()),
            )
        })
        .collect();
    let all: f64 = medians.iter().map(|(_, us)| us).sum();
    let ours = medians.iter().take(2).map(|(_, us)| us).sum::<f64>();
    Section {
        title: "A redirect on Redis, NATS and CQL",
        command: "cargo xtask bench engines".to_owned(),
        means: "CPU time a redirect through the gateway, in every process that takes part, until its click is counted. Its peer is its own whole:\n\
                what of the cost is the engines'.",
        columns: vec!["process", "CPU us a redirect", "share"],
        rows: medians
            .iter()
            .map(|(name, us)| vec![(*name).to_owned(), format!("{us:.1}"), format!("{:.2}", us / all)])
            .collect(),
        findings: vec![
            format!(
                "median of {} rounds: {all:.1} us in all processes, of which the engines are {:.2}",
                rows.len(),
                1.0 - ours / all
            ),
            cold,
        ],
    }
}

/// Follows a link that no cache has seen, and counts what reaches the store.
fn cold_reads(roles: &Roles) -> Result<String, String> {
    let reads = || roles.counter("db_client_operation_duration_seconds_count", ORIGIN_READ);
    let before = reads()?;
    let mut asked = 0;
    for _ in 0..20 {
        let head = format!("GET /{} HTTP/1.1", roles.code);
        super::platform::request(roles.gateway_port(), &head, "")?;
        asked += 1;
    }
    Ok(format!(
        "{asked} redirects with cold caches: {:.0} reads of the store",
        reads()? - before
    ))
}

/// Settings that name the shared engines, with a keyspace, a schema and prefixes of this run's own: what others keep there is theirs.
pub(super) fn own_names() -> Result<Vec<String>, String> {
    let file = state().join("engines.json");
    let listed = Listed::read(&file)?;
    let name = format!("bench{}", std::process::id());
    let url = |kind: Kind| {
        let url = listed
            .url(kind)
            .ok_or(format!("{} lists no {}", file.display(), kind.name()))?;
        Ok::<_, String>(match kind {
            Kind::Postgres => format!("{url}?schema={name}"),
            Kind::Redis => format!("{url}/0?prefix={name}"),
            Kind::Nats => format!("{url}?prefix={name}"),
            Kind::Cql => format!("{url}/{name}?replication=1"),
        })
    };
    [
        ("gateway.rate_limit_url", Kind::Redis),
        ("issuer.database_url", Kind::Postgres),
        ("shortener.database_url", Kind::Cql),
        ("shortener.streams_url", Kind::Nats),
        ("shortener.leases_url", Kind::Nats),
        ("shortener.cache_url", Kind::Redis),
    ]
    .into_iter()
    .map(|(setting, kind)| Ok(format!("{setting}={}", url(kind)?)))
    .collect()
}
