//! Words that say nothing about what a thing holds, and text that belongs to one machine.

use super::Source;

const BANNED_PARTS: &[&str] = &[
    "manager", "helper", "helpers", "util", "utils", "common", "misc", "stuff",
];
const KEYWORDS: &[&str] = &["struct", "enum", "trait", "mod", "fn", "type"];
/// Split in two, so that this file does not find itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        wrong.extend(path(&source.path));
        if source.is_rust() {
            wrong.extend(definitions(source));
        }
        if source.path == "Cargo.lock" {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|p| line.contains(p)) {
                wrong.push(format!(
                    "{}:{}: a path of one machine: {}",
                    source.path,
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    wrong
}

fn path(path: &str) -> Option<String> {
    let mut parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    if path.ends_with("/mod.rs") {
        return Some(format!("{path}: name the file after its module, never mod.rs"));
    }
    let bad = parts.find(|part| part.split(['_', '-']).any(|word| BANNED_PARTS.contains(&word)))?;
    Some(format!("{path}: `{bad}` says nothing about what it holds"))
}

fn definitions(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if !KEYWORDS.contains(&word) {
                continue;
            }
            let Some(name) = words.next() else { break };
            let name: String = name
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if parts(&name)
                .iter()
                .any(|part| BANNED_PARTS.contains(&part.as_str()))
                && !line.trim_start().starts_with("//")
            {
                wrong.push(format!(
                    "{}:{}: `{name}` is a name that says nothing; use the field's own term",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    wrong
}

/// The words of a snake or camel case name.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            parts.push(String::new());
        }
        if c != '_'
            && let Some(last) = parts.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{Source, check};

    fn names(path: &str, text: &str) -> usize {
        check(&[Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }])
        .len()
    }

    #[test]
    fn empty_words_are_refused_in_types_and_files() {
        assert_eq!(names("a/lease.rs", concat!("pub struct Lease", "Manager;")), 1);
        assert_eq!(names("a/string_utils.rs", ""), 1);
        assert_eq!(names("a/lease/mod.rs", ""), 1);
        assert_eq!(names("a/lease.rs", "pub struct Lease;\nfn commonly() {}"), 0);
    }

    #[test]
    fn a_path_of_one_machine_is_refused() {
        assert_eq!(names("a/notes.md", concat!("see /ho", "me/me/notes")), 1);
    }
}
