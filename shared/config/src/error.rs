//! What can be wrong with settings, told so that the reader can mend it.

use crate::layers::Origin;

/// Every mistake found in one load, so that they can be mended in one go.
#[derive(Debug, thiserror::Error)]
#[error("{}", listed(.mistakes))]
pub struct ConfigError {
    /// At least one, in the order file, environment, flags.
    pub mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// The stable code of the first mistake.
    pub fn code(&self) -> &'static str {
        self.mistakes.first().map_or("config_invalid", Mistake::code)
    }

    /// Never: the same settings stay wrong.
    pub fn retryable(&self) -> bool {
        false
    }
}

/// One mistake.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// The file is not TOML.
    #[error("{file}, line {line}: not valid TOML: {detail}")]
    Syntax {
        /// The name the file was given.
        file: String,
        /// Where reading stopped, from 1.
        line: usize,
        /// The parser's words, without the text of the line (it may hold a secret).
        detail: String,
    },
    /// No setting has this name.
    #[error("{origin}: unknown key `{key}`{}", nearest_of(.nearest.as_deref()))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// The known key (or variable) that is nearest.
        nearest: Option<String>,
    },
    /// The value is of another type, out of range or not one of the words.
    #[error("{origin}: `{key}` must be {expected}, found {found}")]
    WrongType {
        /// The setting's path.
        key: String,
        /// Where the value was written.
        origin: Origin,
        /// In words.
        expected: String,
        /// The value, shortened; masked for a secret.
        found: String,
    },
    /// The type's own check refused it.
    #[error("{origin}: `{key}`: {detail}")]
    Refused {
        /// The setting's path.
        key: String,
        /// Where the value was written.
        origin: Origin,
        /// The type's words.
        detail: String,
    },
    /// Each value is fine alone, but not together.
    #[error("the settings do not fit together: {detail}")]
    Contradiction {
        /// The type's words.
        detail: String,
    },
}

impl Mistake {
    /// A stable code for each kind of mistake.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "config_syntax",
            Self::UnknownKey { .. } => "config_unknown_key",
            Self::WrongType { .. } => "config_wrong_type",
            Self::Refused { .. } => "config_refused",
            Self::Contradiction { .. } => "config_contradiction",
        }
    }
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn nearest_of(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; the nearest known one is `{key}`"))
}
