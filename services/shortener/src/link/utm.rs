//! Campaign parameters: what a link's URL tells the statistics of the site it leads to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The five parameters that analytics programs agree on; those not given are left as they are in the URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utm<'a> {
    /// Where the visitor comes from: `utm_source`.
    pub source: Option<&'a str>,
    /// By what: `utm_medium`.
    pub medium: Option<&'a str>,
    /// In which campaign: `utm_campaign`.
    pub campaign: Option<&'a str>,
    /// Which search term was paid for: `utm_term`.
    pub term: Option<&'a str>,
    /// Which of several like it: `utm_content`.
    pub content: Option<&'a str>,
}

impl Utm<'_> {
    /// The URL with these parameters in its query instead of any of the same names. The rest of it, also the order and the spelling of
    /// the query, stays as it is.
    pub fn onto(&self, url: &str) -> String {
        let given: Vec<(&str, &str)> = self.named().collect();
        if given.is_empty() {
            return url.to_owned();
        }
        let (rest, fragment) = match url.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (url, None),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_replaced = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            given
                .iter()
                .any(|(given, _)| percent_decode_str(name).eq(given.bytes()))
        };
        let kept = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_replaced(pair))
            .map(str::to_owned);
        let added = given
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)));
        let query: Vec<String> = kept.chain(added).collect();
        let fragment = fragment
            .map(|fragment| format!("#{fragment}"))
            .unwrap_or_default();
        format!("{path}?{}{fragment}", query.join("&"))
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("utm_source", self.source),
            ("utm_medium", self.medium),
            ("utm_campaign", self.campaign),
            ("utm_term", self.term),
            ("utm_content", self.content),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_added_and_replaced_and_nothing_else_changes() {
        let utm = Utm {
            source: Some("news letter"),
            campaign: Some("ä&b=c#d"),
            ..Utm::default()
        };
        let tail = "utm_source=news%20letter&utm_campaign=%C3%A4%26b%3Dc%23d";
        for (url, expected) in [
            ("https://a.example/", format!("https://a.example/?{tail}")),
            ("https://a.example/?", format!("https://a.example/?{tail}")),
            (
                "https://a.example/x?b=%20+&a&b=2#top?x",
                format!("https://a.example/x?b=%20+&a&b=2&{tail}#top?x"),
            ),
            (
                "https://a.example/?utm_source=old&x=1&utm%5fsource=older&utm_medium=mail",
                format!("https://a.example/?x=1&utm_medium=mail&{tail}"),
            ),
        ] {
            assert_eq!(utm.onto(url), expected);
        }
        assert_eq!(
            utm.onto(&utm.onto("https://a.example/")),
            utm.onto("https://a.example/")
        );
    }

    #[test]
    fn nothing_given_changes_nothing() {
        for url in ["https://a.example/?", "https://a.example/?a&&b#", "what"] {
            assert_eq!(Utm::default().onto(url), url);
        }
    }
}
