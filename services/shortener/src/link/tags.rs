//! Words an owner sorts links by.

/// Most tags on a link, unless the settings say otherwise.
pub const TAGS_MAX: usize = 10;
/// Longest tag, in characters, unless the settings say otherwise.
pub const TAG_CHARS_MAX: usize = 50;

/// A few distinct short words, in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

/// Why tags were refused; each names the place of the offender where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagsError {
    /// Too many.
    #[error("at most {max} tags")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Empty or too long.
    #[error("a tag has 1 to {chars_max} characters")]
    Length {
        /// Its place in the list.
        index: usize,
        /// The limit.
        chars_max: usize,
    },
    /// Would garble a log or a page.
    #[error("a tag has no control characters")]
    Control {
        /// Its place in the list.
        index: usize,
    },
}

impl Tags {
    /// Checks tags; one given twice counts once.
    pub fn parse(given: Vec<String>, max: usize, chars_max: usize) -> Result<Self, TagsError> {
        if given.len() > max {
            return Err(TagsError::TooMany { max });
        }
        let mut tags: Vec<String> = Vec::with_capacity(given.len());
        for (index, tag) in given.into_iter().enumerate() {
            if tag.is_empty() || tag.chars().count() > chars_max {
                return Err(TagsError::Length { index, chars_max });
            }
            if tag.chars().any(char::is_control) {
                return Err(TagsError::Control { index });
            }
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(Self(tags))
    }

    /// Tags that were checked when they were stored.
    pub fn from_store(tags: Vec<String>) -> Self {
        Self(tags)
    }

    /// The tags in order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tags: &[&str]) -> Result<Tags, TagsError> {
        Tags::parse(
            tags.iter().map(ToString::to_string).collect(),
            TAGS_MAX,
            TAG_CHARS_MAX,
        )
    }

    #[test]
    fn tags_are_few_short_and_printable() {
        assert_eq!(parse(&["a", "b", "a"]).unwrap().as_slice(), ["a", "b"]);
        assert!(parse(&["ä".repeat(50).as_str()]).is_ok());
        assert_eq!(parse(&["a"; 11]), Err(TagsError::TooMany { max: 10 }));
        assert_eq!(
            parse(&["a", ""]),
            Err(TagsError::Length {
                index: 1,
                chars_max: 50
            })
        );
        assert_eq!(
            parse(&["a".repeat(51).as_str()]),
            Err(TagsError::Length {
                index: 0,
                chars_max: 50
            })
        );
        assert_eq!(parse(&["a\nb"]), Err(TagsError::Control { index: 0 }));
    }
}
