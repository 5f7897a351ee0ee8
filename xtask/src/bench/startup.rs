//! From process start to ready, and what an idle platform holds in memory.

use std::path::PathBuf;
use std::time::Duration;

use super::page::Section;
use super::platform::{Process, fresh_folder, release_binary, wait_ready};
use super::{median, now};

const PORT_BASE: u16 = 18080;
/// Gateway, issuer, shortener, as the port layout has them.
const ADMIN_PORTS: [u16; 3] = [PORT_BASE + 11, PORT_BASE + 13, PORT_BASE + 15];
/// The platform's promise is about an idle one: what the start needed has been given back by then.
const IDLE_FOR: Duration = Duration::from_secs(5);
/// What the project promises.
const READY_MS: f64 = 1_000.0;
const IDLE_MB: f64 = 80.0;

pub(super) fn bench(rounds: u32, binary: Option<PathBuf>) -> Result<Section, String> {
    let binary = release_binary(binary)?;
    let folder = fresh_folder("startup")?;
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let data = folder.join(format!("data-{round}"));
        let data = data.to_str().ok_or("the target folder's name is not text")?;
        let started = now();
        let base = PORT_BASE.to_string();
        let args = ["up", "--data", data, "--port-base", &base];
        let process = Process::start(&binary, &args, None, &folder.join("log"))?;
        wait_ready(&ADMIN_PORTS)?;
        let took = started.elapsed().as_secs_f64() * 1000.0;
        std::thread::park_timeout(IDLE_FOR);
        let held = process.resident_mb()?;
        println!("round {round}: ready after {took:.0} ms, {held:.1} MB resident when idle");
        ready.push(took);
        memory.push(held);
    }
    let rows = (1..).zip(ready.iter().zip(&memory));
    let rows =
        rows.map(|(round, (ms, mb))| vec![format!("round {round}"), format!("{ms:.0}"), format!("{mb:.1}")]);
    let (ms, mb) = (median(&ready), median(&memory));
    Ok(Section {
        title: "Start and idle memory",
        command: "cargo xtask bench startup".to_owned(),
        means: "`orrery up` on an empty data folder: from process start until every role says it is ready, and what the process holds five\n\
                seconds later.",
        columns: vec!["", "ready, ms", "resident, MB"],
        rows: rows.collect(),
        findings: vec![format!(
            "median: ready after {ms:.0} ms, {:.2} of the promised {READY_MS:.0}; {mb:.1} MB resident, {:.2} of the promised {IDLE_MB:.0}",
            ms / READY_MS,
            mb / IDLE_MB
        )],
    })
}
