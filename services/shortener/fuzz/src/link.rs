//! As `shortener::link`, as far as strangers write it.

#[path = "../../src/link/code.rs"]
mod code;
#[path = "../../src/link/domains.rs"]
mod domains;
#[path = "../../src/link/known_bad.rs"]
mod known_bad;
#[path = "../../src/link/target.rs"]
mod target;

pub use code::{
    Alias, AliasError, CODE_BYTES_MAX, CODE_BYTES_MIN, Code, GENERATED_BYTES, GENERATED_CODES, RESERVED_WORDS,
};
pub use domains::{DOMAINS_MAX, Domain, DomainLists, DomainRefusal, NotADomain};
pub use known_bad::{Found, KnownBad};
pub use target::{OwnHosts, TargetError, TargetUrl, URL_BYTES_MAX};
