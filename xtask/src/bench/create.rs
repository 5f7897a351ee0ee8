//! Links made a second: one by one and in batches, on SQLite and on CQL.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::load::{Script, ensure};
use super::median;
use super::page::Section;
use super::platform::{fresh_folder, release_binary};
use super::roles::{Roles, Setup};
use crate::engines as ours;

/// Links of a batch.
const BATCH: u32 = 1_000;
/// Connections that make links one by one, and in batches.
const SINGLE: u32 = 64;
const BATCHES: u32 = 2;

pub(super) fn bench(seconds: u32, rounds: u32, binary: Option<PathBuf>) -> Result<Section, String> {
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
    Ok(section(&made))
}

fn section(made: &[[Vec<f64>; 2]; 2]) -> Section {
    let medians = made
        .each_ref()
        .map(|kinds| kinds.each_ref().map(|rates| median(rates)));
    let named = ["SQLite", "CQL"].into_iter().zip(medians);
    let rows = named.clone().map(|(name, [single, batch])| {
        vec![
            name.to_owned(),
            format!("{single:.0}"),
            format!("{batch:.0}"),
            format!("{:.1}", batch / single),
        ]
    });
    let mut findings: Vec<String> = named
        .map(|(name, [single, batch])| {
            format!(
                "median: {name} {single:.0} one by one, {batch:.0} in batches: {:.1} times",
                batch / single
            )
        })
        .collect();
    findings.push(format!(
        "CQL makes {:.2} of the links that SQLite makes one by one, and {:.2} in batches",
        medians[1][0] / medians[0][0],
        medians[1][1] / medians[0][1]
    ));
    Section {
        title: "Making links",
        command: "cargo xtask bench create".to_owned(),
        means: "Links made and durable a second at the shortener itself: one a request from 64 connections, and 1,000 a request from two. Each\n\
                engine beside the other, in the same run.",
        columns: vec!["engine", "one by one, per s", "in batches, per s", "ratio"],
        rows: rows.collect(),
        findings,
    }
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
