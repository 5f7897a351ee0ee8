//! `cargo xtask k8s check`: what stands in `k8s/` against Kubernetes' schemas, against the rules of this house, and against the binary.

mod agreement;
mod model;
mod rules;
mod schemas;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use model::Overlay;

use crate::generate::Writer;
use crate::programs;
use crate::run::{Outcome, command, prints, root};

/// What can be asked of the manifests.
#[derive(Subcommand)]
pub(crate) enum K8s {
    /// Build every overlay, and check it against the schemas, the rules and the binary
    Check,
}

/// What ended a check.
#[derive(Debug)]
pub(crate) enum Unchecked {
    /// Something that the check needs is not here: on a laptop that is a skip.
    Missing(String),
    /// Something is wrong, or went wrong.
    Wrong(String),
}

/// Runs what was asked for.
pub(crate) fn k8s(what: &K8s) -> Outcome {
    match what {
        K8s::Check => match check(Writer::Fresh) {
            Ok(done) => {
                println!("{done}");
                Ok(())
            }
            Err(Unchecked::Missing(why) | Unchecked::Wrong(why)) => Err(why),
        },
    }
}

/// Checks every overlay and every chaos experiment; says what was looked at.
pub(crate) fn check(writer: Writer) -> Result<String, Unchecked> {
    let overlays = overlays()?;
    let experiments = yaml_files("chaos/experiments").map_err(Unchecked::Wrong)?;
    let settings = agreement::Settings::read().map_err(Unchecked::Wrong)?;
    let mut wrong = Vec::new();
    for overlay in &overlays {
        let found = rules::check(overlay)
            .into_iter()
            .chain(agreement::check(overlay, &settings))
            .chain(agreement::accepted(overlay, writer));
        wrong.extend(found.map(|line| format!("k8s/overlays/{}: {line}", overlay.name)));
    }
    // The cluster that experiments are for has the engines too.
    if let Some(overlay) = overlays.iter().find(|overlay| overlay.name == "kind") {
        for file in &experiments {
            let text = std::fs::read_to_string(file)
                .map_err(|e| Unchecked::Wrong(format!("{}: {e}", file.display())))?;
            let parsed: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text)
                .map_err(|e| Unchecked::Wrong(format!("{}: {e}", file.display())))?;
            wrong.extend(parsed.iter().flat_map(|one| agreement::selected(overlay, one)));
        }
    }
    if !wrong.is_empty() {
        return Err(Unchecked::Wrong(wrong.join("\n")));
    }
    let checked = schemas::check(&overlays, &experiments)?;
    let mut done = String::from("k8s:");
    for overlay in &overlays {
        let _ = write!(done, " {} ({} objects)", overlay.name, overlay.objects.len());
    }
    let _ = write!(done, ", {} experiments; {checked}", experiments.len());
    Ok(done)
}

/// Every folder below `k8s/overlays`, built.
fn overlays() -> Result<Vec<Overlay>, Unchecked> {
    let kubectl = programs::kubectl().map_err(Unchecked::Missing)?;
    let folder = root().join("k8s/overlays");
    let entries =
        std::fs::read_dir(&folder).map_err(|e| Unchecked::Wrong(format!("{}: {e}", folder.display())))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let build = |name: String| {
        let built = prints(command(&kubectl).arg("kustomize").arg(folder.join(&name)));
        Overlay::parse(name, built?)
    };
    names
        .into_iter()
        .map(|name| build(name).map_err(Unchecked::Wrong))
        .collect()
}

fn yaml_files(folder: &str) -> Result<Vec<PathBuf>, String> {
    let files = crate::run::files()?;
    Ok(files
        .into_iter()
        .filter(|file| file.starts_with(folder) && file.extension().is_some_and(|e| e == "yaml"))
        .map(|file| root().join(file))
        .collect())
}
