//! The ports of this checkout's engines: chosen free once, and remembered.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};

/// Below the blocks that tests reserve, and below what Linux gives to outgoing connections.
const FIRST: u16 = 12_000;
/// Ports of one checkout.
const BLOCK: u16 = 10;
const BLOCKS: u16 = 800;

/// The first port.
pub(super) fn base() -> Result<u16, String> {
    if let Ok(set) = std::env::var("ORRERY_ENGINE_PORT_BASE") {
        return parse(&set).ok_or_else(|| format!("ORRERY_ENGINE_PORT_BASE={set} is no port below 65526"));
    }
    let folder = engines::state();
    let file = folder.join("port_base");
    if let Some(remembered) = std::fs::read_to_string(&file).ok().as_deref().and_then(parse) {
        return Ok(remembered);
    }
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let base = choose(hasher.finish(), free).ok_or("no ten free ports in a row between 12000 and 20000")?;
    std::fs::write(&file, format!("{base}\n")).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(base)
}

fn parse(text: &str) -> Option<u16> {
    let base = text.trim().parse().ok()?;
    (1..=u16::MAX - BLOCK).contains(&base).then_some(base)
}

/// The first free block, looked for from a place that differs between checkouts.
fn choose(seed: u64, free: impl Fn(u16) -> bool) -> Option<u16> {
    let start = u16::try_from(seed % u64::from(BLOCKS)).ok()?;
    (0..BLOCKS)
        .map(|turn| FIRST + (start + turn) % BLOCKS * BLOCK)
        .find(|base| (*base..base + BLOCK).all(&free))
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_taken_port_is_passed_over() {
        assert_eq!(choose(0, |_| true), Some(12_000));
        assert_eq!(choose(0, |port| port != 12_004), Some(12_010));
        assert_eq!(choose(799, |port| port < 19_990), Some(12_000), "it goes round");
        assert_eq!(choose(7, |_| false), None);
    }

    #[test]
    fn a_port_base_that_leaves_no_room_is_refused() {
        assert_eq!(parse("12340\n"), Some(12_340));
        assert_eq!(parse("65530"), None);
        assert_eq!(parse("0"), None);
        assert_eq!(parse("many"), None);
    }
}
