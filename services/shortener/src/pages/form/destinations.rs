//! Destinations as people write them, one a line: countries, devices or a weight, then the address.

use crate::error::LinkError;
use crate::http::DestinationBody;
use crate::link::Routing;
use crate::visit::{Country, Device};

/// `DE,AT mobile https://example.com/de`, or `30 https://example.com/b`.
pub(super) fn show(routing: &Routing) -> String {
    let lines = DestinationBody::all_of(routing).into_iter().map(|one| {
        let mut words = Vec::new();
        if !one.countries.is_empty() {
            words.push(one.countries.join(","));
        }
        if !one.devices.is_empty() {
            words.push(one.devices.join(","));
        }
        words.extend(one.weight.map(|weight| weight.to_string()));
        words.push(one.url);
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The other way round. What the words mean is seen by what they are; whether they go together is the rules' affair.
pub(super) fn read(text: &str) -> Result<Vec<DestinationBody>, LinkError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(i, line)| read_line(i, line)).collect()
}

fn read_line(number: usize, line: &str) -> Result<DestinationBody, LinkError> {
    let (before, url) = line.rsplit_once(char::is_whitespace).unwrap_or(("", line));
    let mut one = DestinationBody {
        url: url.to_owned(),
        ..DestinationBody::default()
    };
    let words = before.split(|c: char| c.is_whitespace() || c == ',');
    for word in words.filter(|word| !word.is_empty()) {
        if let Ok(weight) = word.parse() {
            one.weight = Some(weight);
        } else if Device::parse(word).is_some() {
            one.devices.push(word.to_owned());
        } else if Country::parse(word).is_some() {
            one.countries.push(word.to_owned());
        } else {
            let why = format!(
                "line {}: “{word}” is no country of two letters, no device and no weight",
                number + 1
            );
            return Err(LinkError::field(&format!("/destinations/{number}"), &why));
        }
    }
    Ok(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_on_a_line_is_told_by_what_it_is() {
        let read = read("DE, AT mobile https://a.example/\r\n\r\n 30 https://b.example/").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].countries.as_slice(), read[0].devices.as_slice()),
            (
                ["DE".to_owned(), "AT".to_owned()].as_slice(),
                ["mobile".to_owned()].as_slice()
            )
        );
        assert_eq!(
            (read[0].url.as_str(), read[0].weight),
            ("https://a.example/", None)
        );
        assert_eq!(
            (read[1].url.as_str(), read[1].weight),
            ("https://b.example/", Some(30))
        );
        assert!(super::read("nowhere https://a.example").is_err());
        assert!(super::read(" \n ").unwrap().is_empty());
    }
}
