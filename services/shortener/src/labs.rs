//! The labs of the shortener's patterns, one file each. Each assembles a small redirect service of its own out of the platform's
//! crates; what differs between its arms is a [`layers::Layer`] or the origin's, and nothing that ships knows of it.

mod avalanche;
mod hot_key;
mod layers;
mod origin;
mod penetration;
mod short_codes;
mod stampede;
mod write_policies;

use lab::Lab;

/// Every lab of this service, in the order of the playbook.
pub fn labs() -> Vec<Box<dyn Lab>> {
    vec![
        Box::new(stampede::Stampede),
        Box::new(avalanche::Avalanche),
        Box::new(penetration::Penetration),
        Box::new(hot_key::HotKey),
        Box::new(write_policies::WritePolicies),
        Box::new(short_codes::ShortCodes),
    ]
}
