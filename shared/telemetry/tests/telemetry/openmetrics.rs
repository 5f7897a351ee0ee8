//! A strict reader of OpenMetrics text: what it takes, Prometheus takes.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct Scrape {
    values: BTreeMap<String, f64>,
    exemplars: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    has_samples: bool,
}

struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
    exemplar: Option<&'a str>,
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("no end mark")?;
        let (mut scrape, mut family, mut seen) = (Self::default(), Family::default(), BTreeSet::new());
        for line in body.lines() {
            let wrong = |reason: &str| format!("{reason}: {line}");
            if let Some(meta) = line.strip_prefix("# ") {
                let mut words = meta.splitn(3, ' ');
                let (what, name, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
                let name = name.ok_or_else(|| wrong("no name"))?;
                if name != family.name {
                    if !seen.insert(name.to_owned()) {
                        return Err(wrong("a family stands twice"));
                    }
                    family = Family {
                        name: name.to_owned(),
                        ..Family::default()
                    };
                }
                if family.has_samples {
                    return Err(wrong("metadata after samples"));
                }
                match what {
                    Some("TYPE") => rest.clone_into(&mut family.kind),
                    Some("UNIT") if name.ends_with(&format!("_{rest}")) => {}
                    Some("HELP") if !rest.is_empty() => {}
                    _ => return Err(wrong("unknown metadata")),
                }
                continue;
            }
            let sample = sample(line).ok_or_else(|| wrong("not a sample"))?;
            family.has_samples = true;
            if !family.allows(sample.name) {
                return Err(wrong("a sample outside its family"));
            }
            if let Some(exemplar) = sample.exemplar {
                if !sample.name.ends_with("_bucket") && !sample.name.ends_with("_total") {
                    return Err(wrong("an exemplar where none may be"));
                }
                scrape
                    .exemplars
                    .push((sample.name.to_owned(), exemplar.to_owned()));
            }
            let series = if sample.labels.is_empty() {
                sample.name.to_owned()
            } else {
                format!("{}{{{}}}", sample.name, sample.labels)
            };
            if scrape.values.insert(series, sample.value).is_some() {
                return Err(wrong("a series stands twice"));
            }
        }
        Ok(scrape)
    }

    pub(crate) fn value(&self, series: &str) -> f64 {
        *self
            .values
            .get(series)
            .unwrap_or_else(|| panic!("no {series} in {:#?}", self.values))
    }

    /// How many series of a name there are.
    pub(crate) fn series(&self, name: &str) -> usize {
        self.values
            .keys()
            .filter(|series| series.split('{').next() == Some(name))
            .count()
    }

    pub(crate) fn exemplars(&self, name: &str) -> Vec<String> {
        self.exemplars
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, exemplar)| exemplar.clone())
            .collect()
    }
}

impl Family {
    fn allows(&self, sample: &str) -> bool {
        let suffixes: &[&str] = match &*self.kind {
            "counter" => &["_total", "_created"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            "info" => &["_info"],
            _ => return false,
        };
        sample
            .strip_prefix(&*self.name)
            .is_some_and(|suffix| suffixes.contains(&suffix))
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    if !name.bytes().all(is_name) || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let (labels, rest) = if rest.starts_with('{') {
        braces(rest)?
    } else {
        ("", rest)
    };
    let rest = rest.strip_prefix(' ')?;
    let (value, exemplar) = match rest.split_once(" # ") {
        None => (rest, None),
        Some((value, exemplar)) => {
            let (labels, after) = braces(exemplar)?;
            after.strip_prefix(' ')?.parse::<f64>().ok()?;
            (value, Some(labels))
        }
    };
    Some(Sample {
        name,
        labels,
        value: value.parse().ok()?,
        exemplar,
    })
}

/// What stands between braces, checked to be labels, and what follows.
fn braces(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('{')?;
    let mut at = 0;
    while !text[at..].starts_with('}') {
        let name = text[at..].find("=\"")?;
        if name == 0
            || !text[at..at + name]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return None;
        }
        at += name + 2;
        loop {
            match text.as_bytes().get(at)? {
                b'\\' if matches!(text.as_bytes().get(at + 1)?, b'\\' | b'"' | b'n') => at += 2,
                b'\\' | b'\n' => return None,
                b'"' => break,
                _ => at += 1,
            }
        }
        at += 1;
        if text[at..].starts_with(',') {
            at += 1;
        }
    }
    Some((&text[..at], &text[at + 1..]))
}
