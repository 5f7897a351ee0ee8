//! Statements out of a file: the protocol takes one at a time.

/// The statements of `text`, each without its `;`, comments left out.
pub(crate) fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, length) = match first {
            '\'' | '"' => {
                let length = quoted(rest, first);
                (&rest[..length], length)
            }
            _ if rest.starts_with("--") || rest.starts_with("//") => {
                ("", rest.find('\n').unwrap_or(rest.len()))
            }
            // A comment parts words as a space does.
            _ if rest.starts_with("/*") => (" ", rest.find("*/").map_or(rest.len(), |end| end + 2)),
            ';' => {
                found.push(std::mem::take(&mut statement));
                ("", 1)
            }
            _ => {
                let length = first.len_utf8();
                (&rest[..length], length)
            }
        };
        statement.push_str(kept);
        rest = &rest[length..];
    }
    found.push(statement);
    let trimmed = found.iter().map(|statement| statement.trim());
    trimmed
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The length of the quoted text that `rest` begins with, both quotes included. A doubled quote reads as the end of one text
/// and the beginning of the next, which comes to the same.
fn quoted(rest: &str, quote: char) -> usize {
    rest[1..].find(quote).map_or(rest.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_a_semicolon_that_is_neither_quoted_nor_commented_out() {
        let text = "-- first; not one\nCREATE TABLE a (b text);\n\
                    INSERT INTO a (b) VALUES ('it''s; fine -- so'); // last;\n\
                    UPDATE \"x;y\" SET/* ; */b = 'ö;' ;\n ;\nDROP TABLE a -- open";
        assert_eq!(
            statements(text),
            [
                "CREATE TABLE a (b text)",
                "INSERT INTO a (b) VALUES ('it''s; fine -- so')",
                "UPDATE \"x;y\" SET b = 'ö;'",
                "DROP TABLE a",
            ]
        );
        assert!(statements("-- nothing\n ; ;").is_empty());
        assert_eq!(statements("SELECT 'open"), ["SELECT 'open"]);
    }
}
