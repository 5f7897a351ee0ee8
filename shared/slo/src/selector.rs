use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;

use crate::SloError;

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOperator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value
    Regex,
    /// `!~`: not the whole value
    NotRegex,
}

impl MatchOperator {
    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label; a label that is not there counts as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    operator: MatchOperator,
    value: String,
    /// Of the two operators that need it.
    regex: Option<Regex>,
}

impl Matcher {
    /// A condition; a regular expression must match the whole value, as in PromQL.
    pub fn new(label: &str, operator: MatchOperator, value: &str) -> Result<Self, SloError> {
        let regex = match operator {
            MatchOperator::Equal | MatchOperator::NotEqual => None,
            MatchOperator::Regex | MatchOperator::NotRegex => Some(
                Regex::new(&format!("^(?:{value})$")).map_err(|error| SloError::Selector {
                    query: format!("{label}{}{value:?}", operator.as_str()),
                    what: format!("its regular expression: {error}"),
                })?,
            ),
        };
        Ok(Self {
            label: label.to_owned(),
            operator,
            value: value.to_owned(),
            regex,
        })
    }

    /// The label's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is compared.
    pub fn operator(&self) -> MatchOperator {
        self.operator
    }

    /// With what.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label's value fulfils it.
    pub fn accepts(&self, value: &str) -> bool {
        let by_regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.operator {
            MatchOperator::Equal => self.value == value,
            MatchOperator::NotEqual => self.value != value,
            MatchOperator::Regex => by_regex(),
            MatchOperator::NotRegex => !by_regex(),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.operator, &self.value) == (&other.label, other.operator, &other.value)
    }
}

/// A PromQL vector selector: a metric, and conditions on its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The metric, with its suffix.
    pub metric: String,
    /// All must hold.
    pub matchers: Vec<Matcher>,
}

impl Selector {
    /// Whether a series is selected.
    pub fn matches(&self, name: &str, labels: &[(String, String)]) -> bool {
        name == self.metric
            && self.matchers.iter().all(|matcher| {
                let value = labels.iter().find(|(label, _)| *label == matcher.label);
                matcher.accepts(value.map_or("", |(_, value)| value))
            })
    }

    /// The same with one condition more, or another in place of those on the same label.
    #[must_use]
    pub fn with(&self, matcher: Matcher) -> Self {
        let mut matchers = self.matchers.clone();
        matchers.retain(|m| m.label != matcher.label);
        matchers.push(matcher);
        Self {
            metric: self.metric.clone(),
            matchers,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        for (at, matcher) in self.matchers.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let value = matcher
                .value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            write!(
                f,
                "{before}{}{}\"{value}\"",
                matcher.label,
                matcher.operator.as_str()
            )?;
        }
        f.write_str("}")
    }
}

impl FromStr for Selector {
    type Err = SloError;

    fn from_str(query: &str) -> Result<Self, SloError> {
        let wrong = |what: &str| SloError::Selector {
            query: query.to_owned(),
            what: what.to_owned(),
        };
        let text = query.trim();
        let (metric, mut rest) = match text.split_once('{') {
            Some((metric, rest)) => (metric.trim(), rest),
            None => (text, "}"),
        };
        if !is_name(metric, true) {
            return Err(wrong("it does not begin with the name of a metric"));
        }
        let mut matchers = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                if after.trim().is_empty() {
                    break;
                }
                return Err(wrong("something stands behind the closing brace"));
            }
            let end = rest
                .find(['=', '!'])
                .ok_or_else(|| wrong("a label without an operator"))?;
            let (label, after) = rest.split_at(end);
            if !is_name(label.trim(), false) {
                return Err(wrong("a label's name is missing or malformed"));
            }
            let (operator, after) =
                operator(after).ok_or_else(|| wrong("an operator that PromQL does not have"))?;
            let (value, after) =
                quoted(after.trim_start()).ok_or_else(|| wrong("a label's value is not quoted"))?;
            matchers.push(Matcher::new(label.trim(), operator, &value)?);
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(after) => after,
                None if rest.starts_with('}') => rest,
                None => return Err(wrong("a comma or the closing brace is missing")),
            };
        }
        Ok(Self {
            metric: metric.to_owned(),
            matchers,
        })
    }
}

fn is_name(text: &str, colons: bool) -> bool {
    let first = text.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':'))
}

fn operator(text: &str) -> Option<(MatchOperator, &str)> {
    use MatchOperator::{Equal, NotEqual, NotRegex, Regex};
    // The longer ones first: `=` begins `=~`.
    [Regex, NotRegex, NotEqual, Equal]
        .into_iter()
        .find_map(|operator| Some((operator, text.strip_prefix(operator.as_str())?)))
}

/// A string as PromQL has it: in double or single quotes with escapes, or in backticks without.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let text = &text[1..];
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Some((value, &text[at + 1..])),
            '\\' if quote != '`' => match letters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other @ ('\\' | '"' | '\'') => value.push(other),
                _ => return None,
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn a_selector_is_written_as_it_was_read() {
        for text in [
            "up",
            r#"a_count{job="gateway",route="/{code}",status!~"5.."}"#,
            r#"a{b="x\"y\\z"}"#,
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
        }
        let quotes: Selector = "a { b = 'x' , c =~ `y.*`, }".parse().unwrap();
        assert_eq!(quotes.to_string(), r#"a{b="x",c=~"y.*"}"#);
    }

    #[test]
    fn what_is_no_selector_is_refused_with_a_reason() {
        for text in [
            "",
            "rate(a[5m])",
            "a[5m]",
            "a{b}",
            "a{b=x}",
            "a{b==\"x\"}",
            "a{b=\"x\"",
            "a{b=~\"(\"}",
            "a{} offset 5m",
        ] {
            let error = text.parse::<Selector>().unwrap_err();
            assert_eq!(error.code(), "slo_selector", "{text}");
        }
    }

    #[test]
    fn regular_expressions_match_the_whole_value_and_an_absent_label_is_empty() {
        let selector: Selector = r#"a{status!~"5..",route=~"/v1/(links|stats)(/.*)?"}"#.parse().unwrap();
        let matches = |status: &str, route: &str| {
            selector.matches("a", &labels(&[("status", status), ("route", route)]))
        };
        assert!(matches("200", "/v1/links"));
        assert!(matches("200", "/v1/links/{code}"));
        assert!(matches("5000", "/v1/stats"));
        assert!(!matches("503", "/v1/links"));
        assert!(!matches("200", "/v1/linksx"));
        assert!(!selector.matches("b", &labels(&[("route", "/v1/links")])));
        assert!(
            selector.matches("a", &labels(&[("route", "/v1/links")])),
            "no status is not 5.."
        );
        let none: Selector = r#"a{b=""}"#.parse().unwrap();
        assert!(none.matches("a", &[]));
    }
}
