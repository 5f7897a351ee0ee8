//! Where engines keep their things in this checkout.

use std::path::{Path, PathBuf};

/// The state of the checkout's engines: `engines.json`, data, logs.
pub fn state() -> PathBuf {
    std::env::var_os("ORRERY_ENGINES_DIR").map_or_else(home, PathBuf::from)
}

/// Programs that were unpacked for the engines, since PATH has none.
pub fn tools() -> PathBuf {
    home().join("tools")
}

/// The engines' settings and start scripts.
pub fn scripts() -> PathBuf {
    checkout().join("infra/engines")
}

/// The checkout this was built in.
///
/// # Panics
/// Never: a crate stands two floors above the workspace's root.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("a crate stands two floors above the workspace's root")
        .to_path_buf()
}

fn home() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| checkout().join("target"), PathBuf::from)
        .join("engines")
}
