//! From process start to ready, and what an idle platform holds in memory.

use std::path::PathBuf;
use std::time::Duration;

use super::platform::{Process, fresh_folder, release_binary, wait_ready};
use super::{median, now};
use crate::run::Outcome;

const PORT_BASE: u16 = 18080;
/// Gateway, issuer, shortener, as the port layout has them.
const ADMIN_PORTS: [u16; 3] = [PORT_BASE + 11, PORT_BASE + 13, PORT_BASE + 15];
/// The platform's promise is about an idle one: what the start needed has been given back by then.
const IDLE_FOR: Duration = Duration::from_secs(5);

pub(super) fn bench(rounds: u32, binary: Option<PathBuf>) -> Outcome {
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
    println!(
        "median: ready after {:.0} ms (promised: 1000), {:.1} MB resident (promised: under 80)",
        median(&ready),
        median(&memory)
    );
    Ok(())
}
