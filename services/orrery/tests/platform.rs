//! The platform as a whole: start, stop, command line, what it prints.

mod announcement;
mod command_line;
mod console;
mod k6;
mod keys;
mod labs;
mod lifecycle;
mod load;
mod metrics_catalogue;
pub(crate) mod readme;
pub(crate) mod traced;

use std::path::Path;

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orrery"))
}
