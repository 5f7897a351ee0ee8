//! What keeps the house as `ARCHITECTURE.md` draws it, in words when it is not.

mod fetches;
mod floors;
mod kit;
mod names;
mod planted;
mod readmes;
mod runbooks;
mod sizes;

use crate::generate::{self, Writer};
use crate::run::{Outcome, files, root};

/// One file of the checkout.
pub(crate) struct Source {
    /// Relative to the workspace's root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// Runs every check and reports all that is wrong at once.
pub(crate) fn tidy(writer: Writer) -> Outcome {
    let sources = sources()?;
    let mut wrong = Vec::new();
    wrong.extend(floors::check()?);
    wrong.extend(planted::check()?);
    wrong.extend(sizes::check(&sources));
    wrong.extend(names::check(&sources));
    wrong.extend(readmes::check(&sources));
    wrong.extend(runbooks::check(&sources));
    wrong.extend(kit::check(&sources));
    wrong.extend(fetches::check(&sources));
    wrong.extend(generate::check(writer)?);
    if wrong.is_empty() {
        println!("tidy: {} files, {}", sources.len(), sizes::summary(&sources));
        return Ok(());
    }
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    Err(format!(
        "tidy found {} thing{} to mend",
        wrong.len(),
        if wrong.len() == 1 { "" } else { "s" }
    ))
}

fn sources() -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for path in files()? {
        // What is not text (a screenshot) has no lines to judge.
        if let Ok(text) = std::fs::read_to_string(root().join(&path)) {
            sources.push(Source {
                path: path.to_string_lossy().into_owned(),
                text,
            });
        }
    }
    Ok(sources)
}

impl Source {
    fn is_rust(&self) -> bool {
        std::path::Path::new(&self.path)
            .extension()
            .is_some_and(|e| e == "rs")
    }
}
