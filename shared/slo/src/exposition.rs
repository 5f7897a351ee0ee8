//! What a metrics endpoint answers: Prometheus' text format and OpenMetrics.

/// One line: a series, and its value when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric, with its suffix: `.._count`, `.._total`.
    pub name: String,
    /// Its labels, in the order of the line.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

/// Every sample of the text; what is no sample (a comment, a broken line) is left out. Exemplars and timestamps are
/// not kept.
pub fn parse(text: &str) -> Vec<Sample> {
    text.lines().filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// The labels, and what stands behind their brace.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// A label's value up to its closing quote, and what stands behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_without_their_exemplars_and_timestamps() {
        let text = "# HELP a_total Counts.\n# TYPE a_total counter\n\
            a_total 3\n\
            b_total{route=\"/{code}\",x=\"a\\\"b\\\\c\\nd\",} 1.5e3 1700000000\n\
            c_bucket{le=\"+Inf\"} 7 # {trace_id=\"abc\"} 0.5 1.2\n\
            d{} NaN\ne +Inf\nbroken{a=\"b 3\nnovalue\n# EOF\n";
        let samples = parse(text);
        assert_eq!(samples.len(), 5, "{samples:?}");
        assert_eq!(samples[0].name, "a_total");
        assert_eq!(samples[1].labels[0], ("route".to_owned(), "/{code}".to_owned()));
        assert_eq!(samples[1].labels[1].1, "a\"b\\c\nd");
        assert!((samples[1].value - 1500.0).abs() < f64::EPSILON);
        assert!((samples[2].value - 7.0).abs() < f64::EPSILON);
        assert!(samples[3].value.is_nan());
        assert!(samples[4].value.is_infinite());
    }
}
