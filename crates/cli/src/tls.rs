//! Whom the command line trusts, and how it says who it is, before any token is sent.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::failure::{Failure, of_file};

/// PEM files for an `https` address.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Tls {
    /// Trust the services whose certificates are signed by one of this PEM file, and no others
    #[arg(long, global = true, env = "MEDIA_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate, in PEM, to show to a service that asks for one
    #[arg(long, global = true, env = "MEDIA_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, global = true, env = "MEDIA_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Tls {
    /// What a connection to this address is made with; `None` for plaintext.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there are files for an address that does not want any; and if one cannot be read.
    pub fn of(&self, url: &str) -> Result<Option<ClientTlsConfig>, Failure> {
        if !url.starts_with("https://") {
            return match (&self.ca, &self.cert) {
                (None, None) => Ok(None),
                _ => Err(Failure::Usage(format!("{url} is not https: --ca, --cert and --key are for a service that encrypts"))),
            };
        }
        let mut config = match &self.ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            config = config.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        Ok(Some(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| of_file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_for_an_address_that_does_not_encrypt_are_a_usage_error() {
        let tls = Tls { ca: Some("ca.pem".into()), ..Tls::default() };
        assert!(matches!(tls.of("http://localhost:8080"), Err(Failure::Usage(sentence)) if sentence.contains("--ca")));
        assert!(Tls::default().of("http://localhost:8080").unwrap().is_none());
        assert!(Tls::default().of("https://localhost:8080").unwrap().is_some());
    }
}
