//! Parameters of a query or a form, as OAuth wants them: none twice, an empty one as good as none.

use url::form_urlencoded;

/// More than any of our requests has.
const PARAMS_MAX: usize = 64;

/// The one name that may stand several times: each ticked box of the sign-in page.
const REPEATABLE: &str = "grant";

/// Decoded parameters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    repeated: bool,
}

impl Params {
    /// Decodes `application/x-www-form-urlencoded` text.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            let again = params.pairs.iter().any(|(known, _)| *known == name) && name != REPEATABLE;
            params.repeated |= again || params.pairs.len() == PARAMS_MAX;
            if !again && params.pairs.len() < PARAMS_MAX && !value.is_empty() {
                params.pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        params
    }

    /// A parameter's (first) value; `None` if missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a name stood twice (RFC 6749, section 3.1 forbids it), or there were too many to tell.
    pub(crate) fn is_repeated(&self) -> bool {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_not_repeat_except_ticked_boxes() {
        let params = Params::parse(b"a=1&b=%20x&grant=r&grant=w&empty=");
        assert_eq!(
            (params.get("a"), params.get("b"), params.get("empty")),
            (Some("1"), Some(" x"), None)
        );
        assert_eq!(params.all("grant").collect::<Vec<_>>(), ["r", "w"]);
        assert!(!params.is_repeated());
        assert!(Params::parse(b"a=1&a=1").is_repeated());
        assert!(Params::parse("x".repeat(10).as_bytes()).get("x").is_none());
    }

    #[test]
    fn a_flood_of_parameters_counts_as_repeated() {
        let flood: Vec<String> = (0..1_000).map(|i| format!("p{i}=v")).collect();
        let params = Params::parse(flood.join("&").as_bytes());
        assert!(params.is_repeated());
        assert_eq!(params.pairs.len(), PARAMS_MAX);
    }
}
