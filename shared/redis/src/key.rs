//! Names of keys: one prefix for all, and a hash tag that keeps what belongs together on one node of a cluster.

use std::fmt;

/// A key of this connection's prefix: `prefix:{tag}:rest`. Keys of one tag live on one node, so one script may use them together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    text: String,
    /// Where the tag ends, its brace included.
    tag_end: usize,
}

impl Key {
    /// Braces and percent signs in `tag` are escaped: two tags never make one key, and a tag cannot end early.
    pub(crate) fn new(prefix: &str, tag: &str, rest: &str) -> Self {
        let mut text = String::with_capacity(prefix.len() + tag.len() + rest.len() + 4);
        text.push_str(prefix);
        text.push_str(":{");
        for character in tag.chars() {
            match character {
                '{' => text.push_str("%7B"),
                '}' => text.push_str("%7D"),
                '%' => text.push_str("%25"),
                other => text.push(other),
            }
        }
        if tag.is_empty() {
            // An empty tag would be none: the node would follow from the whole key.
            text.push('%');
        }
        text.push('}');
        let tag_end = text.len();
        text.push(':');
        text.push_str(rest);
        Self { text, tag_end }
    }

    /// As Redis knows it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both live on one node of a cluster.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.text[..self.tag_end] == other.text[..other.tag_end]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_prefix_and_its_tag() {
        assert_eq!(
            Key::new("orrery", "acme", "bucket").as_str(),
            "orrery:{acme}:bucket"
        );
        assert_eq!(Key::new("orrery", "", "x").as_str(), "orrery:{%}:x");
    }

    #[test]
    fn no_tag_can_pass_for_another_one() {
        let odd = Key::new("p", "a}:b", "c");
        assert_eq!(odd.as_str(), "p:{a%7D:b}:c");
        assert_ne!(odd, Key::new("p", "a", "b}:c"));
        assert_ne!(Key::new("p", "%7D", "c"), Key::new("p", "}", "c"));
        assert_ne!(Key::new("p", "%", "c"), Key::new("p", "", "c"));
    }

    #[test]
    fn keys_of_one_tag_are_beside_each_other() {
        let value = Key::new("p", "acme", "value");
        assert!(value.is_beside(&Key::new("p", "acme", "lease")));
        assert!(!value.is_beside(&Key::new("p", "acm", "e}:value")));
    }
}
