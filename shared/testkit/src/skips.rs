//! Skipping a test aloud: the report of `cargo xtask test` shows each, with its reason.

use std::io::Write;

/// Says that `test` is skipped because of `why`; the caller then returns.
///
/// # Panics
/// When `ORRERY_REQUIRE_PROGRAMS=1` forbids skipping.
pub fn skip(test: &str, why: &str) {
    skip_unless_required("ORRERY_REQUIRE_PROGRAMS", test, why);
}

/// The same for a test that needs an engine.
///
/// # Panics
/// When `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
pub fn skip_engine(test: &str, why: &str) {
    skip_unless_required("ORRERY_REQUIRE_ENGINES", test, why);
}

fn skip_unless_required(switch: &str, test: &str, why: &str) {
    let required = std::env::var(switch).is_ok_and(|value| value == "1");
    assert!(!required, "{test} may not be skipped under {switch}=1: {why}");
    let line = format!("{test}: {why}");
    eprintln!("skipped {line}");
    report(&line);
}

/// Says that `test` has only its embedded form, because of `why`, in a run of the forms on real engines. Nothing is missing.
pub fn ran_embedded(test: &str, why: &str) {
    report(&format!("{test}: {EMBEDDED_ONLY}{why}"));
}

fn report(line: &str) {
    if let Some(path) = std::env::var_os("ORRERY_SKIPS_FILE") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        // The report is a courtesy: a line lost there must not fail a test. One write a line: other binaries append to it meanwhile.
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

/// What the line of such a test says before its reason.
pub const EMBEDDED_ONLY: &str = "embedded only: ";

/// Whether a program is on PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Whether the long forms of tests run too.
pub fn nightly() -> bool {
    std::env::var("ORRERY_NIGHTLY").is_ok_and(|value| value == "1")
}
