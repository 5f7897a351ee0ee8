//! A file reads in one sitting, a function fits a screen.

use super::Source;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust()) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!(
                "{}: {lines} lines, {FILE_LINES_MAX} at most: split it by idea",
                source.path
            ));
        }
        for (name, line, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!(
                    "{}:{line}: `{name}` has {length} lines, {FUNCTION_LINES_MAX} at most",
                    source.path
                ));
            }
        }
    }
    wrong
}

/// The shape of the house in one line.
pub(super) fn summary(sources: &[Source]) -> String {
    let mut lines: Vec<usize> = sources
        .iter()
        .filter(|s| s.is_rust())
        .map(|s| s.text.lines().count())
        .collect();
    lines.sort_unstable();
    let at = |share: usize| lines.get(lines.len() * share / 100).copied().unwrap_or_default();
    format!(
        "{} of Rust; lines a file: {} in the middle, {} at the ninetieth percentile",
        lines.len(),
        at(50),
        at(90)
    )
}

/// Name, first line and length of each function. The text is rustfmt's, so a function ends at the first
/// closing brace that stands as far in as its own first line.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let at_indent = |l: &&&str| {
            l.strip_prefix(indent)
                .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '))
        };
        // The signature ends with a brace, or with a semicolon where there is no body to measure.
        let signature = lines[start..]
            .iter()
            .filter(at_indent)
            .find(|l| l.ends_with(['{', ';', '}']));
        if signature.is_none_or(|l| !l.ends_with('{')) {
            continue;
        }
        let end = lines[start..]
            .iter()
            .position(|l| l.strip_prefix(indent).is_some_and(|rest| rest == "}"));
        if let Some(length) = end {
            found.push((name.to_owned(), start + 1, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        let word = rest.split_whitespace().next()?;
        if word == "fn" {
            let name = rest["fn".len()..].trim_start();
            return name.split(['(', '<', ' ']).next();
        }
        let modifier =
            matches!(word, "async" | "const" | "extern" | "pub" | "unsafe") || word.starts_with("pub(");
        if !modifier {
            return None;
        }
        rest = rest[word.len()..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::functions;

    #[test]
    fn a_function_is_measured_from_its_name_to_its_brace() {
        let text = "impl A {\n    pub(crate) async fn long(&self) {\n        if x {\n        }\n    }\n}\n";
        assert_eq!(functions(text), [("long".to_owned(), 2, 4)]);
    }

    #[test]
    fn a_declaration_in_a_trait_has_no_length() {
        assert!(
            functions("trait A {\n    fn short(&self);\n    fn b(\n        &self,\n    ) -> u8;\n}\n")
                .is_empty()
        );
    }
}
