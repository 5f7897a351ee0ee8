//! A series that a selector selects, for tests that must make one up.

use crate::{MatchOperator, Selector};

/// Labels that `selector` selects and `others` do not.
pub(super) fn labels(selector: &Selector, but_not: Option<&Selector>) -> Option<Vec<(String, String)>> {
    let all = selector
        .matchers
        .iter()
        .chain(but_not.iter().flat_map(|other| &other.matchers));
    let mut names: Vec<&str> = all.clone().map(super::super::selector::Matcher::label).collect();
    names.sort_unstable();
    names.dedup();
    // Each label has a few values that could do; conditions are few, so all combinations are.
    let mut made: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for name in names {
        let mut values: Vec<String> = all
            .clone()
            .filter(|m| m.label() == name)
            .filter_map(candidate)
            .collect();
        values.extend(["200", "503", "other"].map(str::to_owned));
        made = made
            .iter()
            .flat_map(|labels| {
                values.iter().map(|value| {
                    let mut labels = labels.clone();
                    labels.push((name.to_owned(), value.clone()));
                    labels
                })
            })
            .collect();
    }
    made.into_iter().find(|labels| {
        selector.matches(&selector.metric, labels)
            && but_not.is_none_or(|other| !other.matches(&other.metric, labels))
    })
}

/// A value near what a condition names; whether it does is asked of the condition.
fn candidate(matcher: &crate::Matcher) -> Option<String> {
    match matcher.operator() {
        MatchOperator::Equal => Some(matcher.value().to_owned()),
        MatchOperator::Regex => Some(first_alternative(matcher.value())),
        MatchOperator::NotEqual | MatchOperator::NotRegex => None,
    }
}

/// Of each group the first alternative, and nothing of an optional one. Enough for lists of routes and statuses.
fn first_alternative(pattern: &str) -> String {
    let mut made = String::new();
    let mut letters = pattern.chars().peekable();
    let (mut depth, mut skipping, mut group_start) = (0_usize, false, Vec::new());
    while let Some(letter) = letters.next() {
        match letter {
            '(' => {
                group_start.push(made.len());
                depth += 1;
            }
            ')' => {
                let start = group_start.pop().unwrap_or_default();
                depth = depth.saturating_sub(1);
                skipping = false;
                if letters.next_if(|next| matches!(next, '?' | '*')).is_some() {
                    made.truncate(start);
                }
            }
            '|' if depth == 0 => break,
            '|' => skipping = true,
            _ if skipping => {}
            '\\' => made.extend(letters.next()),
            '.' => {
                if letters.next_if(|next| matches!(next, '*' | '+')).is_none() {
                    made.push('0');
                } else {
                    made.push('x');
                }
            }
            other => made.push(other),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_selected_and_the_opposite_is_not() {
        let good: Selector = r#"a{job="g",route=~"/v1/(links|stats)(/.*)?",status!~"5.."}"#
            .parse()
            .unwrap();
        let total: Selector = r#"a{job="g",route=~"/v1/(links|stats)(/.*)?"}"#.parse().unwrap();
        let fine = labels(&good, None).unwrap();
        assert!(good.matches("a", &fine) && total.matches("a", &fine), "{fine:?}");
        assert!(fine.contains(&("route".to_owned(), "/v1/links".to_owned())));
        let bad = labels(&total, Some(&good)).unwrap();
        assert!(total.matches("a", &bad) && !good.matches("a", &bad), "{bad:?}");
        assert_eq!(labels(&total, Some(&total)), None);
        assert_eq!(first_alternative("/(oauth2|x(y|z))/.+"), "/oauth2/x");
    }
}
