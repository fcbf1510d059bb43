use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fluent_uri::pct_enc::EStr;
use fluent_uri::pct_enc::encoder::Data;
use springhare_broker::Durability;

use super::error::{AddressError, EmbeddedAddressProblem as Problem};

/// A broker in this process: `embedded:` for one in memory, `embedded:./data` for one that keeps in this
/// folder what is to survive it.
///
/// The folder is relative to where the process was started, or absolute (`embedded:/var/lib/app`). In it
/// `%`, `?` and `@` are percent-encoded (`%25`, `%3F`, `%40`). What follows a `?`:
///
/// | parameter | meaning |
/// |---|---|
/// | `durability` | `disk`, which is meant if absent: what is confirmed survives a power cut; or `os`: it survives the end of the process alone |
///
/// ```
/// use std::path::Path;
/// use springhare::connection::EmbeddedAddress;
///
/// let address: EmbeddedAddress = "embedded:./data?durability=os".parse()?;
/// assert_eq!(address.data(), Some(Path::new("./data")));
/// assert_eq!(address.to_string(), "embedded:./data?durability=os");
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedAddress {
    data: Option<PathBuf>,
    durability: Durability,
}

pub(super) const EMBEDDED: &str = "embedded:";

const DURABILITY: &str = "durability";

impl EmbeddedAddress {
    /// The folder; none for a broker in memory.
    #[must_use]
    pub fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// What is promised of what is in the folder.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        // Somebody who gives it a user gave it a password.
        if text.contains('@') {
            return Err(Problem::User);
        }
        let (folder, query) = text.split_once('?').unwrap_or((text, ""));
        if folder.starts_with("//") {
            return Err(Problem::Slashes);
        }
        if folder.starts_with('~') {
            return Err(Problem::Tilde);
        }
        let folder = decoded(folder)?;
        if folder.contains('\0') {
            return Err(Problem::ZeroByte);
        }
        let durability = parse_query(query)?;
        if durability.is_some() && folder.is_empty() {
            return Err(Problem::DurabilityWithoutFolder);
        }
        let data = (!folder.is_empty()).then(|| PathBuf::from(folder));
        Ok(Self { data, durability: durability.unwrap_or_default() })
    }
}

fn parse_query(query: &str) -> Result<Option<Durability>, Problem> {
    let mut durability = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name != DURABILITY {
            return Err(Problem::UnknownParameter { name: name.to_owned() });
        }
        let Ok(known @ (Durability::Os | Durability::Disk)) = value.parse() else {
            return Err(Problem::UnknownDurability { value: value.to_owned() });
        };
        if durability.replace(known).is_some() {
            return Err(Problem::RepeatedDurability);
        }
    }
    Ok(durability)
}

/// The text with `%40` and the like read. All other characters stand for themselves, spaces too: a
/// folder is mostly given as it is.
fn decoded(text: &str) -> Result<String, Problem> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(Problem::PercentEncoding)?;
        let encoded = format!("%{digits}");
        let byte = EStr::<Data>::new(&encoded).ok_or(Problem::PercentEncoding)?;
        decoded.extend_from_slice(&byte.decode().to_bytes());
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).map_err(|_| Problem::NotUtf8)
}

impl FromStr for EmbeddedAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let shown = || {
            // What stands before an '@' may be a password.
            let visible = text.rsplit_once('@').map_or(text, |(_, visible)| visible);
            format!("{EMBEDDED}{}", visible.strip_prefix(EMBEDDED).unwrap_or(visible))
        };
        let Some(rest) = text.strip_prefix(EMBEDDED) else {
            return Err(AddressError::UnknownScheme { address: super::redacted(text) });
        };
        Self::parse(rest).map_err(|problem| AddressError::Embedded { address: shown(), problem })
    }
}

/// As it is read, up to what is encoded without need.
impl fmt::Display for EmbeddedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EMBEDDED)?;
        let Some(folder) = &self.data else { return Ok(()) };
        let folder = folder.to_string_lossy();
        let encoded = folder.replace('%', "%25").replace('?', "%3F").replace('@', "%40");
        f.write_str(&encoded)?;
        if self.durability != Durability::default() {
            write!(f, "?{DURABILITY}={}", self.durability)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        match text.parse::<EmbeddedAddress>() {
            Err(AddressError::Embedded { problem, .. }) => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_folder_is_relative_or_absolute_and_taken_as_it_is() {
        for (text, folder) in [
            ("embedded:./data", "./data"),
            ("embedded:data", "data"),
            ("embedded:../a b/é", "../a b/é"),
            ("embedded:/var/lib/app", "/var/lib/app"),
            ("embedded:./50%25%3F%40", "./50%?@"),
            ("embedded:./%C3%A9", "./é"),
            (" embedded:./data?durability=disk ", "./data"),
            ("embedded:./a,b#c?", "./a,b#c"),
        ] {
            let address: EmbeddedAddress = text.parse().unwrap();
            assert_eq!(address.data(), Some(Path::new(folder)), "{text}");
            assert_eq!(address.durability(), Durability::Disk, "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
        let memory: EmbeddedAddress = "embedded:".parse().unwrap();
        assert_eq!(memory, EmbeddedAddress::default());
        assert_eq!((memory.data(), memory.to_string()), (None, "embedded:".to_owned()));
    }

    #[test]
    fn what_can_not_be_meant_is_told() {
        let problems = [
            ("embedded://data", Problem::Slashes),
            ("embedded:///var/lib/app", Problem::Slashes),
            ("embedded:~/data", Problem::Tilde),
            ("embedded:u:s3cret@./data", Problem::User),
            ("embedded:./a%", Problem::PercentEncoding),
            ("embedded:./a%4", Problem::PercentEncoding),
            ("embedded:./a%zz", Problem::PercentEncoding),
            ("embedded:./a%é", Problem::PercentEncoding),
            ("embedded:./%ff", Problem::NotUtf8),
            ("embedded:./%00", Problem::ZeroByte),
            ("embedded:?durability=os", Problem::DurabilityWithoutFolder),
            (
                "embedded:./data?durability=memory",
                Problem::UnknownDurability { value: "memory".to_owned() },
            ),
            ("embedded:./data?durability=os&durability=os", Problem::RepeatedDurability),
            ("embedded:./data?sync=on", Problem::UnknownParameter { name: "sync".to_owned() }),
        ];
        for (text, expected) in problems {
            assert_eq!(problem(text), expected, "{text}");
            let error = text.parse::<EmbeddedAddress>().unwrap_err().to_string();
            assert!(error.starts_with("'embedded:") && !error.contains("s3cret"), "{error}");
        }
        let wrong = "embedded:./data?durability=fsync".parse::<EmbeddedAddress>().unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "'embedded:./data?durability=fsync' can't be used: the durability is 'disk' or 'os', not \
             'fsync'; a broker in memory alone is 'embedded:'"
        );
    }
}
