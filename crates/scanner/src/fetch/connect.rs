//! From a URL to a connection. A name is resolved once; each address that it has must be one that may be connected to; and those very
//! addresses are connected to, with no second look at the name. So a name that answers otherwise a moment later changes nothing.

use std::{net::IpAddr, sync::Arc, time::Duration};

use media_import_rules::{ImportRules, ImportUrl};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, Error, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tracing::warn;
use url::Host;

use super::{FetchError, resolve::Resolve};

/// How many addresses of one name are tried.
const MAX_TRIED: usize = 4;

/// Bytes in both directions, in TLS or plain.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Connector<R> {
    rules: ImportRules,
    resolver: R,
    tls: TlsConnector,
    limit: Duration,
}

impl<R: Resolve> Connector<R> {
    pub fn new(rules: ImportRules, resolver: R, limit: Duration) -> Result<Self, Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted())
            .with_no_client_auth();
        Ok(Self { rules, resolver, tls: TlsConnector::from(Arc::new(config)), limit })
    }

    pub fn rules(&self) -> &ImportRules {
        &self.rules
    }

    pub async fn connect(&self, url: &ImportUrl) -> Result<Box<dyn Stream>, FetchError> {
        let addresses = self.addresses(url).await?;
        let stream = first_of(&addresses, url.port(), self.limit).await?;
        if !url.is_https() {
            return Ok(Box::new(stream));
        }
        let name = match url.host() {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| FetchError::Tls)?,
            Host::Ipv4(address) => IpAddr::from(*address).into(),
            Host::Ipv6(address) => IpAddr::from(*address).into(),
        };
        let agreed = timeout(self.limit, self.tls.connect(name, stream)).await;
        Ok(Box::new(agreed.map_err(|_| FetchError::Tls)?.map_err(|_| FetchError::Tls)?))
    }

    /// What the URL's host is now, each of which may be connected to.
    async fn addresses(&self, url: &ImportUrl) -> Result<Vec<IpAddr>, FetchError> {
        let addresses = match url.host() {
            Host::Ipv4(address) => vec![IpAddr::from(*address)],
            Host::Ipv6(address) => vec![IpAddr::from(*address)],
            Host::Domain(name) => {
                let answer = timeout(self.limit, self.resolver.resolve(name)).await;
                answer.map_err(|_| FetchError::NoSuchName)?.map_err(|_| FetchError::NoSuchName)?
            }
        };
        // One that may not be is enough: a name that is public and private at once is somebody's trick, or somebody's mistake.
        for address in &addresses {
            self.rules.judge(*address).map_err(FetchError::RefusedAddress)?;
        }
        if addresses.is_empty() { Err(FetchError::NoSuchName) } else { Ok(addresses) }
    }
}

/// One that does not answer leaves the others their share of the time.
async fn first_of(addresses: &[IpAddr], port: u16, limit: Duration) -> Result<TcpStream, FetchError> {
    let tried = &addresses[..addresses.len().min(MAX_TRIED)];
    for address in tried {
        if let Ok(Ok(stream)) = timeout(limit.div_f64(tried.len() as f64), TcpStream::connect((*address, port))).await {
            return Ok(stream);
        }
    }
    Err(FetchError::Unreachable)
}

/// The certificates that this machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are, if not where all have them).
fn trusted() -> RootCertStore {
    let mut trusted = RootCertStore::empty();
    let (read, _unreadable) = trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if read == 0 {
        warn!("this machine trusts no certificate: what is imported over https will fail");
    }
    trusted
}
