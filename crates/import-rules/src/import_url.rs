//! A URL that may be fetched. It may hold a signature, so it is shown to nobody: it has no `Display`, and its `Debug` says `***`.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{AddressClass, ImportRules};

/// The longest URL that is taken. Signed ones have two to four thousand bytes.
pub const MAX_URL_BYTES: usize = 8192;

/// The rule that a URL breaks, said so that "the URL" can stand before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("has more than {MAX_URL_BYTES} bytes")]
    TooLong,
    #[error("cannot be read as one")]
    NotAUrl,
    #[error("is not of a scheme that is fetched: {}", if *.plain_http { "http, https" } else { "https" })]
    Scheme { plain_http: bool },
    #[error("holds a user name or a password, which is sent to nobody")]
    Credentials,
    #[error("names port {0}, which is not one that is connected to")]
    Port(u16),
    #[error("leads to an address that is not public: it is {0}")]
    Address(AddressClass),
}

/// A URL that breaks no rule that can be told from itself. Where it has a name for its host, that is still to be resolved and judged.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportUrl {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl ImportUrl {
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str, rules: &ImportRules) -> Result<Self, Refusal> {
        if text.len() > MAX_URL_BYTES {
            return Err(Refusal::TooLong);
        }
        Self::judge(Url::parse(text).map_err(|_| Refusal::NotAUrl)?, rules)
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn follow(&self, location: &str, rules: &ImportRules) -> Result<Self, Refusal> {
        if location.len() > MAX_URL_BYTES {
            return Err(Refusal::TooLong);
        }
        Self::judge(self.url.join(location).map_err(|_| Refusal::NotAUrl)?, rules)
    }

    fn judge(mut url: Url, rules: &ImportRules) -> Result<Self, Refusal> {
        // Written anew it may be three times as long.
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(Refusal::TooLong);
        }
        let is_fetched = url.scheme() == "https" || (url.scheme() == "http" && rules.plain_http);
        if !is_fetched {
            return Err(Refusal::Scheme { plain_http: rules.plain_http });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let host = url.host().ok_or(Refusal::NotAUrl)?.to_owned();
        let port = url.port_or_known_default().ok_or(Refusal::NotAUrl)?;
        if !rules.ports.contains(&port) {
            return Err(Refusal::Port(port));
        }
        let address = match host {
            Host::Ipv4(address) => Some(IpAddr::from(address)),
            Host::Ipv6(address) => Some(IpAddr::from(address)),
            Host::Domain(_) => None,
        };
        if let Some(address) = address {
            rules.judge(address).map_err(Refusal::Address)?;
        }
        url.set_fragment(None);
        Ok(Self { url, host, port })
    }

    /// The whole text, secrets included: for the one column that keeps it.
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the header `Host` has them: without the scheme's own port.
    pub fn authority(&self) -> String {
        self.url.port().map_or_else(|| self.host.to_string(), |port| format!("{}:{port}", self.host))
    }

    /// Path and query, secrets included.
    pub fn target(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

impl std::fmt::Debug for ImportUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportUrl(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> ImportRules {
        ImportRules { plain_http: false, ports: vec![80, 443], allow: Vec::new() }
    }

    fn refused(text: &str) -> Refusal {
        ImportUrl::parse(text, &rules()).map(|url| panic!("{text} is {}", url.expose())).unwrap_err()
    }

    #[test]
    fn a_good_url_is_taken_and_what_is_sent_of_it_is_its_target_and_authority() {
        let url = ImportUrl::parse("https://Files.Example.com/a%20b/film.mp4?sig=a%2Fb#t=1", &rules()).unwrap();
        assert_eq!((url.authority().as_str(), url.target(), url.port()), ("files.example.com", "/a%20b/film.mp4?sig=a%2Fb", 443));
        assert_eq!(url.expose(), "https://files.example.com/a%20b/film.mp4?sig=a%2Fb", "a fragment is nobody's but a browser's");
        assert_eq!(ImportUrl::parse("https://[2606:4700::1111]:80", &rules()).unwrap().authority(), "[2606:4700::1111]:80");
    }

    #[test]
    fn an_address_is_known_in_whatever_way_it_is_written() {
        use AddressClass::*;
        for (text, class) in [
            ("https://127.0.0.1/", Loopback),
            ("https://127.0.0.1./", Loopback),
            ("https://127.1/", Loopback),
            ("https://127.0.1/", Loopback),
            ("https://2130706433/", Loopback),
            ("https://017700000001/", Loopback),
            ("https://0x7f000001/", Loopback),
            ("https://0x7f.1/", Loopback),
            ("https://0177.0.0.01/", Loopback),
            ("https://0x7f.0x0.0x0.0x1./", Loopback),
            ("https://%31%32%37.0.0.1/", Loopback),
            ("https://１２７.０.０.１/", Loopback),
            ("https://①②⑦。⓪｡⓪.①/", Loopback),
            ("https:\\\\127.0.0.1\\", Loopback),
            ("https:///127.0.0.1/", Loopback),
            ("ht\ntps://12\t7.0.0.1/", Loopback),
            ("https://[::1]/", Loopback),
            ("https://[0:0:0:0:0:0:0:1]/", Loopback),
            ("https://0/", Unspecified),
            ("https://[::]/", Unspecified),
            ("https://10.1.2.3/", Private),
            ("https://0xa010203/", Private),
            ("https://0300.0250.1.1/", Private),
            ("https://2886729729/", Private),
            ("https://169.254.169.254/latest/meta-data/", LinkLocal),
            ("https://2852039166/", LinkLocal),
            ("https://[fe80::1]/", LinkLocal),
            ("https://[fd00:ec2::254]/", UniqueLocal),
            ("https://100.100.100.200/", Shared),
            ("https://[::ffff:127.0.0.1]/", Ipv4InIpv6),
            ("https://[::ffff:8.8.8.8]/", Ipv4InIpv6),
            ("https://[::127.0.0.1]/", Ipv4InIpv6),
            ("https://[64:ff9b::7f00:1]/", Nat64),
            ("https://[2002:7f00:1::]/", SixToFour),
            ("https://[2001::1]/", Teredo),
            ("https://224.0.0.1/", Multicast),
            ("https://198.18.0.1/", Benchmark),
            ("https://192.0.2.1/", Documentation),
            ("https://255.255.255.255/", Broadcast),
        ] {
            assert_eq!(refused(text), Refusal::Address(class), "{text}");
        }
    }

    #[test]
    fn schemes_ports_credentials_and_what_is_no_url_are_refused() {
        let scheme = Refusal::Scheme { plain_http: false };
        for text in
            ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:text/plain,x", "s3://b/k"]
        {
            assert_eq!(refused(text), scheme, "{text}");
        }
        for text in ["https://user@example.com/", "https://user:password@example.com/", "https://:password@example.com/"] {
            assert_eq!(refused(text), Refusal::Credentials, "{text}");
        }
        assert_eq!(refused("https://example.com:8443/"), Refusal::Port(8443));
        assert_eq!(refused("https://example.com:22/"), Refusal::Port(22));
        for text in
            ["", "example.com/film.mp4", "https://", "https://exa mple.com/", "https://[::1/", "https://1.2.3.4.5/", "https://127.0.0.256/"]
        {
            assert_eq!(refused(text), Refusal::NotAUrl, "{text}");
        }
        assert_eq!(refused(&format!("https://example.com/{}", "x".repeat(MAX_URL_BYTES))), Refusal::TooLong);
        let plain = ImportRules { plain_http: true, ..rules() };
        assert_eq!(ImportUrl::parse("http://example.com/", &plain).unwrap().port(), 80);
        assert_eq!(ImportUrl::parse("file:///etc/passwd", &plain).unwrap_err(), Refusal::Scheme { plain_http: true });
    }

    #[test]
    fn a_redirect_is_judged_as_the_url_was() {
        let url = ImportUrl::parse("https://example.com/a/b?c", &rules()).unwrap();
        let follow = |location: &str| url.follow(location, &rules());
        assert_eq!(follow("../d?e").unwrap().expose(), "https://example.com/d?e");
        assert_eq!(follow("//other.example.com").unwrap().expose(), "https://other.example.com/");
        assert_eq!(follow("//0x7f.1/").unwrap_err(), Refusal::Address(AddressClass::Loopback));
        assert_eq!(follow("http://example.com/").unwrap_err(), Refusal::Scheme { plain_http: false }, "no way back from https");
        assert_eq!(follow("https://a:b@example.com/").unwrap_err(), Refusal::Credentials);
        assert_eq!(follow(&"x".repeat(MAX_URL_BYTES + 1)).unwrap_err(), Refusal::TooLong);
    }

    #[test]
    fn it_is_shown_to_nobody() {
        let url = ImportUrl::parse("https://example.com/s3cret?sig=s3cret", &rules()).unwrap();
        assert_eq!(format!("{url:?}"), "ImportUrl(***)");
    }

    proptest! {
        #[test]
        fn no_way_to_write_an_address_that_is_not_public_gets_through(address: u32, octal: bool, short: bool) {
            let [a, b, c, d] = address.to_be_bytes();
            let (high, low) = (u32::from(a), address & 0xff_ffff);
            let host = match (octal, short) {
                (true, true) => format!("0{high:o}.0{low:o}"),
                (true, false) => format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
                (false, true) => format!("0x{high:x}.{low}"),
                (false, false) => format!("{address}"),
            };
            let through = ImportUrl::parse(&format!("https://{host}/"), &rules()).is_ok();
            prop_assert_eq!(through, rules().judge(std::net::Ipv4Addr::from(address).into()).is_ok());
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            if let Ok(url) = ImportUrl::parse(&text, &rules()) {
                prop_assert!(url.target().starts_with('/'));
            }
        }
    }
}
