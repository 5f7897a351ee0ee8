//! `cargo xtask previous`: an older `orrery`, for tests in which two versions run side by side.
//!
//! It is a commit of this repository, unpacked under `target/previous/src`. What it needs of the registry was mostly built
//! for the checkout: those artifacts are linked over, so that only the workspace's own crates are compiled, which costs a minute or
//! two on two cores. Its folder of artifacts is its own: two checkouts that share one take each other's crates for theirs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::run::{Outcome, cargo, command, passes, prints, target};

/// The last commit before links had details and clicks became visits; CONTRIBUTING.md says how to move it.
const COMMIT: &str = "5d7928c19068c60f51122e14b7e7532cbeb3ec7f";

/// Builds it unless it is there; the tests look for `previous/orrery` in the target folder.
pub(crate) fn previous() -> Outcome {
    let folder = target().join("previous");
    let (program, stamp) = (folder.join("orrery"), folder.join("commit"));
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == COMMIT) {
        return Ok(());
    }
    prints(command("git").args(["cat-file", "-e", &format!("{COMMIT}^{{commit}}")])).map_err(|_| {
        format!("no commit {COMMIT} here; `git fetch --unshallow` brings it where the clone is shallow")
    })?;
    println!("building the version of {COMMIT}");
    let (source, artifacts) = (folder.join("src"), folder.join("target"));
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    unpack(&source)?;
    if !artifacts.is_dir() {
        reuse(&target().join("debug"), &artifacts.join("debug"))?;
    }
    let mut build = cargo();
    build.current_dir(&source).env_remove("CARGO_TARGET_DIR");
    passes(
        build
            .args([
                "build",
                "--locked",
                "--quiet",
                "--package",
                "orrery",
                "--target-dir",
            ])
            .arg(&artifacts),
    )?;
    fs::copy(artifacts.join("debug/orrery"), &program).map_err(failed)?;
    fs::write(&stamp, COMMIT).map_err(failed)
}

/// The commit's files, anew. They count as written now (`-m`): cargo tells by that what it has built before.
fn unpack(source: &Path) -> Outcome {
    let failed = |error: io::Error| format!("{}: {error}", source.display());
    if source.is_dir() {
        fs::remove_dir_all(source).map_err(failed)?;
    }
    fs::create_dir_all(source).map_err(failed)?;
    let archive = source.with_extension("tar");
    passes(
        command("git")
            .args(["archive", "--output"])
            .arg(&archive)
            .arg(COMMIT),
    )?;
    passes(command("tar").arg("-xmf").arg(&archive).arg("-C").arg(source))?;
    fs::remove_file(&archive).map_err(failed)
}

/// Brings what was built of the registry's crates from one folder of artifacts into another, by links. The workspace's own
/// crates stay behind: under the same name they are another version's. Times are kept: cargo compares them.
fn reuse(from: &Path, into: &Path) -> Outcome {
    let failed = |error: io::Error| format!("{}: {error}", into.display());
    if !from.join(".fingerprint").is_dir() {
        return Ok(()); // Nothing was built here yet.
    }
    fs::create_dir_all(into.join("deps")).map_err(failed)?;
    // Copies: cargo writes into these where it finds them.
    passes(command("cp").arg("-a").arg(from.join(".fingerprint")).arg(into))?;
    passes(command("cp").arg("-al").arg(from.join("build")).arg(into))?;
    let ours = packages()?;
    let mut hashes = HashSet::new();
    for folder in [".fingerprint", "build"] {
        for unit in names(&into.join(folder)).map_err(failed)? {
            match unit.rsplit_once('-') {
                Some((package, hash)) if !ours.contains(package) => _ = hashes.insert(hash.to_owned()),
                _ => fs::remove_dir_all(into.join(folder).join(&unit)).map_err(failed)?,
            }
        }
    }
    for file in names(&from.join("deps")).map_err(failed)? {
        let stem = file.split('.').next().unwrap_or_default();
        if stem
            .rsplit_once('-')
            .is_some_and(|(_, hash)| hashes.contains(hash))
        {
            let (from, into) = (from.join("deps").join(&file), into.join("deps").join(&file));
            fs::hard_link(from, into).map_err(failed)?;
        }
    }
    Ok(())
}

/// The names of the workspace's packages.
fn packages() -> Result<HashSet<String>, String> {
    let told = prints(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let told: serde_json::Value = serde_json::from_str(&told).map_err(|error| error.to_string())?;
    let packages = told["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect())
}

/// What stands in a folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
