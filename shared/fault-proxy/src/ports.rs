//! Free blocks of ports, reserved across every test and drill of this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports in one block: what one `orrery up` may use, and one more that reserves it.
const BLOCK: u16 = 40;
/// Below the range Linux takes ephemeral ports from (32768 up), so that no client socket sits in the way.
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 300;

static TURN: AtomicU16 = AtomicU16::new(0);

/// A block of 40 free ports. Its last port stays bound while this lives, so nobody else takes the block,
/// not even while the platform in it is killed and restarted.
#[derive(Debug)]
pub struct PortBlock {
    base: u16,
    _reservation: TcpListener,
}

impl PortBlock {
    /// Reserves a block.
    ///
    /// # Panics
    /// When no block is free.
    pub fn reserve() -> Self {
        Self::try_reserve().expect("a free block of 40 ports")
    }

    /// Reserves a block; `None` when none is free.
    pub fn try_reserve() -> Option<Self> {
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
        (0..BLOCKS).find_map(|_| {
            let turn = TURN.fetch_add(1, Ordering::Relaxed) % BLOCKS;
            Self::try_at(FIRST + (start + turn) % BLOCKS * BLOCK)
        })
    }

    fn try_at(base: u16) -> Option<Self> {
        let reservation = TcpListener::bind((Ipv4Addr::LOCALHOST, base + BLOCK - 1)).ok()?;
        let all_free =
            (base..base + BLOCK - 1).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
        all_free.then_some(Self {
            base,
            _reservation: reservation,
        })
    }

    /// The first port of the block.
    pub fn base(&self) -> u16 {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_block_cannot_be_reserved_again() {
        let one = PortBlock::reserve();
        let two = PortBlock::reserve();
        assert!(one.base().abs_diff(two.base()) >= BLOCK);
        assert!(PortBlock::try_at(one.base()).is_none());
    }
}
