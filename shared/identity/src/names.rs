//! Names of tenants and users: checked once, where they enter.

use std::sync::Arc;

use crate::error::InvalidName;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Names go into keys, log lines and pages, so they are plain: nothing to escape, nothing invisible.
fn check(kind: &'static str, text: &str) -> Result<(), InvalidName> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(plain) {
        return Err(InvalidName { kind });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                check($kind, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A tenant: the customer whose data this is. 1 to 64 of `A-Z a-z 0-9 . _ -`.
    Tenant,
    "tenant"
);
name!(
    /// A user inside a tenant: the `sub` of the token. 1 to 64 of `A-Z a-z 0-9 . _ -`.
    User,
    "user"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass_and_everything_else_is_refused() {
        for good in ["a", "acme", "Ada.Lovelace", "a_b-c.9", &"x".repeat(64)] {
            assert_eq!(Tenant::parse(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a\n",
            "ä",
            "a\0",
            "<b>",
            "a:b",
            &"x".repeat(65),
        ] {
            assert!(User::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_in_json_is_checked_too() {
        assert!(serde_json::from_str::<Tenant>("\"acme\"").is_ok());
        assert!(serde_json::from_str::<Tenant>("\"a b\"").is_err());
        assert_eq!(
            serde_json::to_string(&User::parse("ada").unwrap()).unwrap(),
            "\"ada\""
        );
    }
}
