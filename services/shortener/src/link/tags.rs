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
    /// Checks tags as they are given, and keeps them without the space around them, which nobody sees; one given twice counts once.
    pub fn parse(given: Vec<String>, max: usize, chars_max: usize) -> Result<Self, TagsError> {
        if given.len() > max {
            return Err(TagsError::TooMany { max });
        }
        let mut tags: Vec<String> = Vec::with_capacity(given.len());
        for (index, given) in given.into_iter().enumerate() {
            let tag = given.trim();
            if tag.is_empty() || given.chars().count() > chars_max {
                return Err(TagsError::Length { index, chars_max });
            }
            if given.chars().any(char::is_control) {
                return Err(TagsError::Control { index });
            }
            if !tags.iter().any(|other| other == tag) {
                tags.push(tag.to_owned());
            }
        }
        Ok(Self(tags))
    }

    /// Tags that were checked when they were stored; formerly with the space around them, so that two may be the same without.
    pub fn from_store(stored: Vec<String>) -> Self {
        let mut tags: Vec<String> = Vec::with_capacity(stored.len());
        for tag in stored {
            let bare = tag.trim();
            let tag = if bare.len() == tag.len() {
                tag
            } else {
                bare.to_owned()
            };
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
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
    fn the_space_around_a_tag_is_no_part_of_it() {
        assert_eq!(parse(&[" a", "a ", "b c "]).unwrap().as_slice(), ["a", "b c"]);
        for blank in [" ", " \t"] {
            assert_eq!(
                parse(&["a", blank]),
                Err(TagsError::Length {
                    index: 1,
                    chars_max: 50
                })
            );
        }
        let stored = [" a", " ", "b", "a", "b "].iter().map(ToString::to_string);
        let stored = Tags::from_store(stored.collect());
        assert_eq!(stored.as_slice(), ["a", "b"], "of before it was so");
    }

    #[test]
    fn a_tag_is_checked_with_the_space_around_it_as_its_schema_is() {
        let longest = format!(" {}", "a".repeat(49));
        assert!(parse(&[longest.as_str()]).is_ok());
        let longer = format!("{longest} ");
        assert_eq!(
            parse(&[longer.as_str()]),
            Err(TagsError::Length {
                index: 0,
                chars_max: 50
            })
        );
        for control in ["a\n", "\ta", "a\u{85}"] {
            let refused = parse(&[control]);
            assert_eq!(refused, Err(TagsError::Control { index: 0 }), "{control:?}");
        }
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
