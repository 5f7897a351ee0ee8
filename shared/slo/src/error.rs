/// Why objectives cannot be read, or nothing can be generated from them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SloError {
    /// The text is not YAML, or has a field that OpenSLO does not have or this crate does not honour.
    #[error("objectives: {0}")]
    Yaml(String),
    /// A document is not of the version that is read.
    #[error("objectives: apiVersion is {0:?}; only openslo/v1 is read")]
    Version(String),
    /// There must be one service, and each objective must be its.
    #[error("objectives: {0}")]
    Service(String),
    /// A field of one objective has a value that means nothing, or that is not honoured.
    #[error("objective {name}: {what}")]
    Objective {
        /// The objective's name.
        name: String,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A query is not a vector selector.
    #[error("{query:?} is no selector: {what}; write metric{{label=\"value\"}}, with =, !=, =~ or !~")]
    Selector {
        /// The query as it was written.
        query: String,
        /// What was expected.
        what: String,
    },
}

impl SloError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Yaml(_) => "slo_yaml",
            Self::Version(_) => "slo_version",
            Self::Service(_) => "slo_service",
            Self::Objective { .. } => "slo_objective",
            Self::Selector { .. } => "slo_selector",
        }
    }

    /// Whether the same call may succeed later: reading is pure, so never.
    pub fn retryable(&self) -> bool {
        false
    }
}
