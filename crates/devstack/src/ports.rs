//! Ports that two stacks can never both take.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use rand::RngExt;

/// Below the range from which the kernel takes ports for outgoing connections (`ip_local_port_range`, from 32768).
const RANGE: std::ops::Range<u16> = 10_000..32_000;
const BLOCK_LEN: u16 = 16;
const TRIES_MAX: u32 = 200;

/// A port's place within its stack's block. The first is the claim's.
#[derive(Clone, Copy)]
pub(crate) enum Port {
    Postgres = 1,
    Amqp,
    Management,
    ErlangDistribution,
    Epmd,
    Clamd,
    S3,
    S3Grpc,
    Filer,
    FilerGrpc,
    Master,
    MasterGrpc,
    Volume,
    VolumeGrpc,
}

/// A block of neighbouring ports, claimed by listening on its first for as long as this lives.
#[derive(Debug)]
pub(crate) struct Ports {
    base: u16,
    _claim: TcpListener,
}

impl Ports {
    pub(crate) fn claim() -> io::Result<Self> {
        let blocks = (RANGE.end - RANGE.start) / BLOCK_LEN;
        for _ in 0..TRIES_MAX {
            let base = RANGE.start + BLOCK_LEN * rand::rng().random_range(0..blocks);
            let Ok(claim) = listen(base) else { continue };
            if (1..BLOCK_LEN).all(|nth| listen(base + nth).is_ok()) {
                return Ok(Self { base, _claim: claim });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no {BLOCK_LEN} neighbouring ports are free")))
    }

    pub(crate) fn of(&self, port: Port) -> u16 {
        self.base + port as u16
    }

    /// The block's ports after the claim's, from 0; `None` beyond its end.
    pub(crate) fn nth(&self, nth: u16) -> Option<u16> {
        (nth < BLOCK_LEN - 1).then_some(self.base + 1 + nth)
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn blocks_that_live_at_the_same_time_do_not_overlap() {
        let claims: Vec<Ports> = (0..50).map(|_| Ports::claim().unwrap()).collect();
        let bases: HashSet<u16> = claims.iter().map(|claim| claim.base).collect();
        assert_eq!(bases.len(), claims.len());
        assert!(bases.iter().all(|base| base % BLOCK_LEN == RANGE.start % BLOCK_LEN));
    }

    #[test]
    fn every_port_lies_within_its_block() {
        assert!((Port::VolumeGrpc as u16) < BLOCK_LEN);
        let claim = Ports::claim().unwrap();
        let ports: Vec<u16> = (0..).map_while(|nth| claim.nth(nth)).collect();
        assert_eq!(ports, (claim.base + 1..claim.base + BLOCK_LEN).collect::<Vec<_>>());
    }
}
