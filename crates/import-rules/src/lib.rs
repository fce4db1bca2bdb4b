//! What may be fetched from elsewhere: a URL or an address in, yes or the rule that it breaks out.
//!
//! Whoever asks for an import chooses where this service connects to, and stands outside while it stands inside. So:
//! - what is judged is what is connected to: a URL is judged as its parser wrote it anew, which knows decimal, octal, hexadecimal
//!   and short addresses, full-width digits and trailing dots; a name by each of the addresses that it has at that moment;
//! - an address is public or refused, whatever its form: an IPv6 address that carries another one within it is never public;
//! - a refusal names the rule and, of an address, its class: never the address that a name had, which may be secret.
//!
//! Nothing here asks a resolver or a server: `media-api` judges what the URL alone tells, and `media-scanner` each address.

pub mod address;
pub mod import_url;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use address::AddressClass;
pub use import_url::{ImportUrl, MAX_URL_BYTES, Refusal};

/// The section `import` of a binary's settings: an operator's rules.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRules {
    /// Whether plain http is fetched too.
    pub plain_http: bool,
    /// The ports that may be connected to.
    pub ports: Vec<u16>,
    /// Networks that may be connected to though their addresses are not public.
    pub allow: Vec<IpNet>,
}

impl ImportRules {
    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// The class for which it may not.
    pub fn judge(&self, address: IpAddr) -> Result<(), AddressClass> {
        match address::class_of(address) {
            Some(class) if !self.allow.iter().any(|network| network.contains(&address)) => Err(class),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &str) -> ImportRules {
        toml::from_str(&format!("plain_http = false\nports = [443]\nallow = [{allow}]")).unwrap()
    }

    #[test]
    fn what_is_allowed_by_its_network_is_allowed_and_nothing_beside_it() {
        let rules = rules("\"127.0.0.1/32\", \"fd00::/8\"");
        let judge = |text: &str| rules.judge(text.parse().unwrap());
        assert_eq!(judge("127.0.0.1"), Ok(()));
        assert_eq!(judge("fd12::1"), Ok(()));
        assert_eq!(judge("127.0.0.2"), Err(AddressClass::Loopback));
        assert_eq!(judge("::1"), Err(AddressClass::Loopback));
        assert_eq!(judge("::ffff:127.0.0.1"), Err(AddressClass::Ipv4InIpv6), "another form of an address that is allowed");
        assert_eq!(judge("93.184.215.14"), Ok(()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_settings() {
        for bad in ["\"127.0.0.1\"", "\"localhost/8\"", "\"10.0.0.0/33\""] {
            assert!(toml::from_str::<ImportRules>(&format!("plain_http = false\nports = []\nallow = [{bad}]")).is_err(), "{bad}");
        }
    }
}
