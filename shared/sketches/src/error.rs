/// Why a sketch cannot be read or merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// Its text is no sketch of this kind.
    #[error("this is no stored sketch: {0}")]
    Corrupt(&'static str),
    /// Only sketches of the same width and depth can be merged.
    #[error("sketches of different shapes cannot be merged")]
    Shapes,
}

impl SketchError {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Corrupt(_) => "sketch_corrupt",
            Self::Shapes => "sketch_shapes",
        }
    }

    /// Whether the same call may succeed later: a sketch is pure, so never.
    pub fn retryable(self) -> bool {
        false
    }
}
