//! From names to addresses, by the machine's own resolver: it knows the operator's servers and files, and needs no trust, for each
//! address that it gives is judged.

use std::{io, net::IpAddr};

/// Gives the addresses that a name has now.
pub trait Resolve: Send + Sync + 'static {
    /// # Errors
    /// If there is no such name, or nobody to ask.
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

/// `getaddrinfo`.
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<IpAddr> = tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect();
        addresses.dedup();
        Ok(addresses)
    }
}
