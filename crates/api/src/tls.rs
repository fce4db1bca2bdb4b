//! TLS on the gRPC port: a certificate that is replaced without a restart, and clients that have to show one of their own.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use tokio::{
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
        server::{VerifierBuilderError, WebPkiClientVerifier},
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{config::TlsConfig, error::chain};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// More than any chain of certificates has.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Who takes longer to say who he is, is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are not yet agreed on; further ones wait their turn in the kernel.
const MAX_HANDSHAKES: usize = 256;

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} has more than {MAX_FILE_BYTES} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path} is no PEM file of what it has to hold")]
    Pem {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("certificate and key cannot be used")]
    Refused(#[from] tokio_rustls::rustls::Error),
    #[error("the certificates that sign clients' cannot be used")]
    ClientCa(#[from] VerifierBuilderError),
}

/// What the port says of itself, and asks of clients.
pub struct ServerTls {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// As the files had it when they were last read whole and good.
    current: RwLock<Served>,
}

/// What connections are agreed on with.
struct Served {
    config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970.
    expires_seconds: Option<i64>,
}

/// The files' bytes: the certificate, its key, and those that sign clients'.
type Files = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

impl ServerTls {
    /// `None` without a certificate.
    ///
    /// # Errors
    /// If a file cannot be read or used, or the key is not the certificate's.
    pub async fn load(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        failed_handshakes().absolute(0);
        let (Some(cert), Some(key)) = (config.cert_file.clone(), config.key_file.clone()) else { return Ok(None) };
        let client_ca = config.client_ca_file.clone();
        let files = read(&cert, &key, client_ca.as_deref()).await?;
        let current = RwLock::new(served(&files, &cert, &key, client_ca.as_deref())?);
        Ok(Some(Self { cert, key, client_ca, current }))
    }

    /// Reads the files again whenever they have changed, for as long as the service runs. What cannot be used, such as a certificate
    /// whose key has not come yet, changes nothing. Connections that stand are not ended.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut used = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.reread(&mut used).await {
                tracing::error!(error = chain(&error), "the certificates cannot be used: those before stay");
            }
            self.tell_the_end();
        }
    }

    /// At each look, for a gauge that is not renewed is forgotten.
    fn tell_the_end(&self) {
        let served = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(expires) = served.expires_seconds {
            // A number of seconds below 2^53 is a float without loss.
            metrics::gauge!("media_tls_certificate_expires_seconds").set(expires as f64);
        }
    }

    async fn reread(&self, used: &mut Option<Files>) -> Result<(), TlsError> {
        let files = read(&self.cert, &self.key, self.client_ca.as_deref()).await?;
        if used.as_ref() == Some(&files) {
            return Ok(());
        }
        let served = served(&files, &self.cert, &self.key, self.client_ca.as_deref())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = served;
        tracing::info!("the certificates were read");
        *used = Some(files);
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config).into()
    }
}

/// The connections that were agreed on, each by the certificates of the moment in which it came. One that fails is dropped and counted:
/// anybody can make one.
pub fn handshakes(
    tls: Arc<ServerTls>,
    incoming: impl Stream<Item = io::Result<TcpStream>>,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let agreed = incoming.map(move |connection| {
        let acceptor = tls.acceptor();
        async move { timeout(HANDSHAKE_TIMEOUT, acceptor.accept(connection?)).await? }
    });
    agreed.buffer_unordered(MAX_HANDSHAKES).inspect(|connection| {
        if let Err(error) = connection {
            tracing::debug!(error = chain(error), "a connection was not agreed on");
            failed_handshakes().increment(1);
        }
    })
}

fn failed_handshakes() -> metrics::Counter {
    metrics::counter!("media_tls_handshakes_failed_total")
}

async fn read(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Files, TlsError> {
    let client_ca = match client_ca {
        Some(path) => Some(read_file(path).await?),
        None => None,
    };
    Ok((read_file(cert).await?, read_file(key).await?, client_ca))
}

async fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    if tokio::fs::metadata(path).await.map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    tokio::fs::read(path).await.map_err(failed)
}

fn served((cert, key, client_ca): &Files, cert_path: &Path, key_path: &Path, ca_path: Option<&Path>) -> Result<Served, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match (client_ca, ca_path) {
        (Some(client_ca), Some(path)) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(client_ca, path)? {
                roots.add(root)?;
            }
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
        }
        _ => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { path: key_path.to_owned(), source })?;
    let chain = certificates(cert, cert_path)?;
    let expires_seconds = chain.first().and_then(end_of);
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Served { config: Arc::new(config), expires_seconds })
}

/// When a certificate ends, in seconds since 1970. One that only the TLS library can read is served all the same.
fn end_of(certificate: &CertificateDer<'static>) -> Option<i64> {
    match X509Certificate::from_der(certificate) {
        Ok((_, read)) => Some(read.validity().not_after.timestamp()),
        Err(error) => {
            tracing::warn!(%error, "nobody will be told when the certificate ends: it cannot be read");
            None
        }
    }
}

fn certificates(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    read.map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}
