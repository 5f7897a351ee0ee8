//! Links made a second: one by one and in batches, on SQLite and on CQL.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::load::{Script, ensure};
use super::median;
use super::platform::{fresh_folder, release_binary};
use super::roles::{Roles, Setup};
use crate::engines as ours;
use crate::run::Outcome;

/// Links of a batch.
const BATCH: u32 = 1_000;
/// Connections that make links one by one, and in batches.
const SINGLE: u32 = 64;
const BATCHES: u32 = 2;

pub(super) fn bench(seconds: u32, rounds: u32, binary: Option<PathBuf>) -> Outcome {
    ensure(&["wrk"])?;
    let up = ours::up(None, false)?;
    if !up.failed.is_empty() {
        return Err(ours::failures(&up.failed));
    }
    let binary = release_binary(binary)?;
    let folder = fresh_folder("create")?;
    let embedded = Setup {
        port_base: 18180,
        set: &[],
        gateway: false,
    };
    let embedded = Roles::start(&binary, &folder, &embedded)?;
    let own = super::engines::own_names()?;
    let set: Vec<&str> = own.iter().map(String::as_str).collect();
    let real = Setup {
        port_base: 18240,
        set: &set,
        gateway: false,
    };
    let real = Roles::start(&binary, &folder, &real)?;
    println!("links a second; shortener on core 0, wrk on core 1, {seconds} s a round");
    println!(
        "{:>5} {:>8} {:>10} {:>10}",
        "round", "engine", "one by one", "batches"
    );
    let mut made = [[const { Vec::new() }; 2], [const { Vec::new() }; 2]];
    for round in 1..=rounds {
        for (engine, (name, roles)) in [("SQLite", &embedded), ("CQL", &real)].into_iter().enumerate() {
            let single = Script::post(
                folder.join("single.lua"),
                &roles.token,
                r#"{"url":"https://example.com/some/page"}"#,
            )?;
            let batch = Script::post(folder.join("batch.lua"), &roles.token, &batch())?;
            let rates = [
                rate(&single, roles.api_port(), "/v1/links", SINGLE, 1, seconds)?,
                rate(
                    &batch,
                    roles.api_port(),
                    "/v1/link-batches",
                    BATCHES,
                    BATCH,
                    seconds,
                )?,
            ];
            println!("{round:>5} {name:>8} {:>10.0} {:>10.0}", rates[0], rates[1]);
            for (kind, rate) in rates.into_iter().enumerate() {
                made[engine][kind].push(rate);
            }
        }
    }
    for (engine, name) in ["SQLite", "CQL"].into_iter().enumerate() {
        let [single, batch] = [0, 1].map(|kind| median(&made[engine][kind]));
        println!(
            "median: {name} {single:.0} one by one, {batch:.0} in batches: {:.1} times",
            batch / single
        );
    }
    Ok(())
}

/// A body of `BATCH` links.
fn batch() -> String {
    let mut body = String::from(r#"{"items":["#);
    for number in 0..BATCH {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"url":"https://example.com/page/{number}"}}"#);
    }
    body.push_str("]}");
    body
}

fn rate(
    script: &Script,
    port: u16,
    path: &str,
    connections: u32,
    each: u32,
    seconds: u32,
) -> Result<f64, String> {
    let sent = script.run(port, path, Some(connections), seconds)?;
    if sent.errors {
        return Err(format!("{path} on port {port} was not always answered with 2xx"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
    let links = (sent.requests * u64::from(each)) as f64;
    Ok(links / sent.wall.as_secs_f64())
}
