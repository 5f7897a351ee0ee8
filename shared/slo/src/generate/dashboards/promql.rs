//! Which metrics a PromQL expression asks for. Not a parser: it knows just enough of the grammar to tell a metric's name from a
//! function, a keyword, a label and a string, and Prometheus itself checks the rest.

/// Words that stand where a metric could.
const KEYWORDS: [&str; 13] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "inf",
    "nan",
];

/// Keywords that a list of labels follows.
const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The metrics that `expr` asks for, each once, in order of appearance.
pub fn metric_names(expr: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = expr;
    let mut labels_next = false;
    while let Some(first) = rest.chars().next() {
        if starts_name(first) {
            let end = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            rest = tail;
            if KEYWORDS.contains(&word.to_ascii_lowercase().as_str()) {
                labels_next = LABEL_LISTS.contains(&word);
            } else if !tail.trim_start().starts_with('(') && !is_aggregation(word, tail) {
                if !names.iter().any(|name| name == word) {
                    names.push(word.to_owned());
                }
                labels_next = false;
            }
            continue;
        }
        rest = match first {
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            '"' | '\'' => after_string(rest, first),
            '(' if labels_next => {
                labels_next = false;
                after(rest, ')')
            }
            // A number, with its unit or exponent if it has one.
            '0'..='9' => {
                &rest[rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                    .unwrap_or(rest.len())..]
            }
            // A variable of Grafana's.
            '$' => &rest[1 + rest[1..].find(|c| !continues_name(c)).unwrap_or(rest.len() - 1)..],
            other => &rest[other.len_utf8()..],
        };
    }
    names
}

/// `sum by (job) (..)`: an aggregation whose parentheses come after its labels.
fn is_aggregation(word: &str, tail: &str) -> bool {
    let next = tail.trim_start();
    matches!(
        word,
        "sum" | "min" | "max" | "avg" | "count" | "topk" | "bottomk" | "stddev" | "quantile"
    ) && (next.starts_with("by") || next.starts_with("without"))
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_ascii_digit()
}

/// What follows the first `end` outside of strings.
fn after(text: &str, end: char) -> &str {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = if c == '"' {
            after_string(rest, c)
        } else {
            &rest[c.len_utf8()..]
        };
        if c == end {
            break;
        }
    }
    rest
}

fn after_string(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return &text[at + c.len_utf8()..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::metric_names;

    #[test]
    fn only_metrics_are_named() {
        let expr = r#"histogram_quantile(0.99, sum by (le, route) (rate(a_seconds_bucket{job="x",route!~"/{code}|b_total"}[$__rate_interval])))"#;
        assert_eq!(metric_names(expr), ["a_seconds_bucket"]);
    }

    #[test]
    fn both_sides_of_an_operator_and_recording_rules_are_named_once() {
        let expr = r#"1 - (sum(rate(a_total{k="\"}"}[5m] offset 1h)) or on (job) vector(0)) / ignoring(x) sum without (y) (slo:b:ratio_rate5m) > bool 1e3 unless a_total"#;
        assert_eq!(metric_names(expr), ["a_total", "slo:b:ratio_rate5m"]);
    }

    #[test]
    fn a_bare_metric_and_a_variable_are_told_apart() {
        assert_eq!(metric_names("up"), ["up"]);
        assert_eq!(metric_names("topk($n, up == 0)"), ["up"]);
        assert_eq!(metric_names("time() - 3.5"), Vec::<String>::new());
    }
}
