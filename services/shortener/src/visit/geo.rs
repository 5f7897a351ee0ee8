//! Countries by address, out of a file: `first address,last address,country` a line, as DB-IP's "IP to Country Lite" has it.

use std::io::Read;
use std::net::IpAddr;

use super::Country;

/// Most ranges in a file: such files have some 700,000, at about 30 bytes each in memory.
const RANGES_MAX: usize = 4_000_000;

/// Where addresses are. Never changes; a newer file is another one.
#[derive(Debug, Default)]
pub(crate) struct Countries {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GeoFileError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(String),
    /// A line is not what it should be.
    #[error("line {line}: {rule}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What a line must be.
        rule: &'static str,
    },
    /// Two ranges have an address in common.
    #[error("two ranges have {0} in common")]
    Overlap(IpAddr),
    /// It has too many lines.
    #[error("it has more than {RANGES_MAX} ranges")]
    TooLarge,
}

impl From<std::io::Error> for GeoFileError {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error.to_string())
    }
}

/// Ranges that have nothing in common, in order. In columns: a search touches the first one only.
#[derive(Debug)]
struct Ranges<A> {
    firsts: Vec<A>,
    lasts: Vec<A>,
    countries: Vec<Country>,
}

impl<A> Default for Ranges<A> {
    fn default() -> Self {
        Self {
            firsts: Vec::new(),
            lasts: Vec::new(),
            countries: Vec::new(),
        }
    }
}

impl<A: Copy + Ord + Into<u128>> Ranges<A> {
    /// An address that two ranges have in common is an error.
    fn of(mut ranges: Vec<(A, A, Country)>) -> Result<Self, A> {
        ranges.sort_unstable_by_key(|range| range.0);
        if let Some(pair) = ranges.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            return Err(pair[1].0);
        }
        Ok(Self {
            firsts: ranges.iter().map(|range| range.0).collect(),
            lasts: ranges.iter().map(|range| range.1).collect(),
            countries: ranges.iter().map(|range| range.2).collect(),
        })
    }

    fn country(&self, address: A) -> Option<Country> {
        let place = self
            .firsts
            .partition_point(|first| *first <= address)
            .checked_sub(1)?;
        (address <= self.lasts[place]).then(|| self.countries[place])
    }
}

impl Countries {
    /// Reads a file; all of it or none.
    pub(crate) fn read(file: impl Read) -> Result<Self, GeoFileError> {
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(file);
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut row = csv::StringRecord::new();
        while rows
            .read_record(&mut row)
            .map_err(|error| GeoFileError::Read(error.to_string()))?
        {
            let line = row.position().map_or(0, csv::Position::line);
            let refused = |rule| GeoFileError::Line { line, rule };
            if v4.len() + v6.len() == RANGES_MAX {
                return Err(GeoFileError::TooLarge);
            }
            let address = |field| row.get(field).and_then(|text: &str| text.parse::<IpAddr>().ok());
            let country = row.get(2).ok_or(refused("it must be first,last,country"))?;
            match (address(0), address(1)) {
                (Some(IpAddr::V4(first)), Some(IpAddr::V4(last))) if first <= last => {
                    v4.extend(
                        Country::parse(country).map(|country| (first.to_bits(), last.to_bits(), country)),
                    );
                }
                (Some(IpAddr::V6(first)), Some(IpAddr::V6(last))) if first <= last => {
                    v6.extend(
                        Country::parse(country).map(|country| (first.to_bits(), last.to_bits(), country)),
                    );
                }
                _ => {
                    return Err(refused(
                        "it must begin with the first and the last address of a range",
                    ));
                }
            }
        }
        Ok(Self {
            v4: Ranges::of(v4).map_err(|at| GeoFileError::Overlap(IpAddr::V4(at.into())))?,
            v6: Ranges::of(v6).map_err(|at| GeoFileError::Overlap(IpAddr::V6(at.into())))?,
        })
    }

    /// Where an address is.
    pub(crate) fn country(&self, address: IpAddr) -> Option<Country> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.country(address.to_bits()),
            IpAddr::V6(address) => self.v6.country(address.to_bits()),
        }
    }

    /// How many ranges it knows.
    pub(crate) fn len(&self) -> usize {
        self.v4.firsts.len() + self.v6.firsts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "1.0.0.0,1.0.0.255,AU\n1.0.1.0,1.0.3.255,CN\n0.0.0.0,0.255.255.255,ZZ\n\"9.0.0.0\",\"9.255.255.255\",\"us\"\n2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,DE\n";

    fn read(text: &str) -> Result<Countries, GeoFileError> {
        Countries::read(text.as_bytes())
    }

    #[test]
    fn an_address_is_where_its_range_is_and_nowhere_between_ranges() {
        let countries = read(FILE).unwrap();
        assert_eq!(countries.len(), 4);
        let cases = [
            ("1.0.0.0", Some("AU")),
            ("1.0.0.255", Some("AU")),
            ("1.0.1.0", Some("CN")),
            ("1.0.4.0", None),
            ("0.1.2.3", None),
            ("9.1.2.3", Some("US")),
            ("255.255.255.255", None),
            ("::ffff:1.0.0.7", Some("AU")),
            ("2001:db8:1::1", Some("DE")),
            ("2001:db9::", None),
            ("::1", None),
        ];
        for (address, country) in cases {
            let found = countries.country(address.parse().unwrap());
            assert_eq!(found.as_ref().map(Country::as_str), country, "{address}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_anywhere_is_refused_as_a_whole_and_says_where() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert!(said("1.0.0.0,1.0.0.255,AU\nnonsense,1.0.0.1,AU\n").starts_with("line 2: "));
        assert!(said("1.0.0.9,1.0.0.0,AU\n").starts_with("line 1: "));
        assert!(said("1.0.0.0,::1,AU\n").starts_with("line 1: "));
        assert_eq!(
            said("1.0.0.0,1.0.0.255,AU\n1.0.0.255,1.0.1.0,CN\n"),
            "two ranges have 1.0.0.255 in common"
        );
        assert!(said("1.0.0.0,1.0.0.255\n").contains("line 1"));
        assert_eq!(read("").unwrap().len(), 0);
    }
}
