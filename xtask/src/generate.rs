//! Files that the binary writes about itself: the table of settings and the OpenAPI documents.

use std::path::{Path, PathBuf};

use crate::run::{Outcome, cargo, command, passes, root, target};

/// Which `orrery` writes them.
#[derive(Clone, Copy)]
pub(crate) enum Writer {
    /// The one that cargo builds now.
    Fresh,
    /// The one that the tests were built with: the same code, and nothing is built a second time.
    OfTests,
}

/// Writes them into the checkout.
pub(crate) fn write() -> Outcome {
    generate_into(&root(), Writer::Fresh)
}

/// What stands in the checkout against what the binary would write now.
pub(crate) fn check(writer: Writer) -> Result<Vec<String>, String> {
    let fresh = target().join("xtask/generated");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(|e| format!("{}: {e}", fresh.display()))?;
    }
    std::fs::create_dir_all(&fresh).map_err(|e| format!("{}: {e}", fresh.display()))?;
    generate_into(&fresh, writer)?;
    let mut wrong = Vec::new();
    for file in files_under(&fresh)? {
        let relative = file.strip_prefix(&fresh).map_err(|e| e.to_string())?;
        let now = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        if std::fs::read(root().join(relative)).ok().as_deref() != Some(now.as_slice()) {
            wrong.push(format!(
                "{}: out of date: run `cargo xtask generate` and commit it",
                relative.display()
            ));
        }
    }
    Ok(wrong)
}

fn generate_into(folder: &Path, writer: Writer) -> Outcome {
    let mut orrery = match writer {
        Writer::Fresh => {
            let mut cargo = cargo();
            cargo.args(["run", "--quiet", "--package", "orrery", "--"]);
            cargo
        }
        Writer::OfTests => command(target().join("debug/orrery")),
    };
    passes(orrery.args(["generate", "--into"]).arg(folder))
}

fn files_under(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
