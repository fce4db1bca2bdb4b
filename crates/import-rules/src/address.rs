//! Which addresses are public: the special-purpose registries of IANA (RFC 6890 and its updates;
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>), read
//! strictly. Of IPv6 only what is global unicast today (2000::/3) can be public at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum AddressClass {
    #[error("unspecified")]
    Unspecified,
    #[error("loopback")]
    Loopback,
    #[error("private")]
    Private,
    #[error("link-local")]
    LinkLocal,
    #[error("unique-local")]
    UniqueLocal,
    /// 100.64.0.0/10, behind a carrier's NAT.
    #[error("shared")]
    Shared,
    #[error("multicast")]
    Multicast,
    #[error("broadcast")]
    Broadcast,
    #[error("for documentation")]
    Documentation,
    #[error("for benchmarks")]
    Benchmark,
    /// Mapped, compatible or translated without a NAT64.
    #[error("an IPv4 address within IPv6")]
    Ipv4InIpv6,
    #[error("translated by a NAT64")]
    Nat64,
    #[error("6to4")]
    SixToFour,
    #[error("Teredo")]
    Teredo,
    #[error("reserved")]
    Reserved,
}

/// The class of an address that is not public.
pub fn class_of(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => class_of_v4(address),
        IpAddr::V6(address) => class_of_v6(address),
    }
}

fn class_of_v4(address: Ipv4Addr) -> Option<AddressClass> {
    use AddressClass::*;
    Some(match address.octets() {
        [0, 0, 0, 0] => Unspecified,
        [127, ..] => Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private,
        [169, 254, ..] => LinkLocal,
        [100, 64..=127, ..] => Shared,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Documentation,
        [198, 18..=19, ..] => Benchmark,
        [192, 88, 99, _] => SixToFour,
        [224..=239, ..] => Multicast,
        [255, 255, 255, 255] => Broadcast,
        // "This network", protocol assignments, AS112 and AMT, and what was never given out.
        [0, ..] | [192, 0, 0, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] | [240..=255, ..] => Reserved,
        _ => return None,
    })
}

fn class_of_v6(address: Ipv6Addr) -> Option<AddressClass> {
    use AddressClass::*;
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Loopback,
        // Compatible, mapped, and translated as SIIT has it (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Ipv4InIpv6,
        [0x64, 0xff9b, ..] => Nat64,
        [0xfc00..=0xfdff, ..] => UniqueLocal,
        [0xfe80..=0xfebf, ..] => LinkLocal,
        [0xff00..=0xffff, ..] => Multicast,
        [0x2001, 0, ..] => Teredo,
        [0x2001, 2, 0, ..] => Benchmark,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Documentation,
        [0x2002, ..] => SixToFour,
        // Protocol assignments, 2001::/23; AS112, and what is not global unicast.
        [0x2001, 0..=0x1ff, ..] | [0x2620, 0x4f, 0x8000, ..] => Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Reserved,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> Option<AddressClass> {
        class_of(text.parse().unwrap())
    }

    #[test]
    fn every_range_that_is_not_public_is_known_from_its_first_to_its_last_address() {
        use AddressClass::*;
        for (first, last, expected) in [
            ("0.0.0.0", "0.0.0.0", Unspecified),
            ("0.0.0.1", "0.255.255.255", Reserved),
            ("10.0.0.0", "10.255.255.255", Private),
            ("100.64.0.0", "100.127.255.255", Shared),
            ("127.0.0.0", "127.255.255.255", Loopback),
            ("169.254.0.0", "169.254.255.255", LinkLocal),
            ("172.16.0.0", "172.31.255.255", Private),
            ("192.0.0.0", "192.0.0.255", Reserved),
            ("192.0.2.0", "192.0.2.255", Documentation),
            ("192.88.99.0", "192.88.99.255", SixToFour),
            ("192.168.0.0", "192.168.255.255", Private),
            ("198.18.0.0", "198.19.255.255", Benchmark),
            ("198.51.100.0", "198.51.100.255", Documentation),
            ("203.0.113.0", "203.0.113.255", Documentation),
            ("224.0.0.0", "239.255.255.255", Multicast),
            ("240.0.0.0", "255.255.255.254", Reserved),
            ("255.255.255.255", "255.255.255.255", Broadcast),
            ("::", "::", Unspecified),
            ("::1", "::1", Loopback),
            ("::2", "::ffff:ffff", Ipv4InIpv6),
            ("::ffff:0.0.0.0", "::ffff:255.255.255.255", Ipv4InIpv6),
            ("::ffff:0:0.0.0.0", "::ffff:0:255.255.255.255", Ipv4InIpv6),
            ("64:ff9b::", "64:ff9b::ffff:ffff", Nat64),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Nat64),
            ("100::", "100::ffff:ffff:ffff:ffff", Reserved),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Teredo),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmark),
            ("2001:10::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SixToFour),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UniqueLocal),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
        ] {
            assert_eq!((class(first), class(last)), (Some(expected), Some(expected)), "{first} to {last}");
        }
    }

    #[test]
    fn what_lies_beside_those_ranges_is_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "3ffe::",
            "3fff:1000::",
        ] {
            assert_eq!(class(public), None, "{public}");
        }
    }

    proptest! {
        #[test]
        fn no_ipv6_address_that_carries_an_ipv4_address_in_a_known_way_is_public(carried: u32) {
            let v4 = Ipv4Addr::from(carried);
            let [high, low] = [(carried >> 16) as u16, carried as u16];
            for address in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            ] {
                prop_assert!(class_of(address.into()).is_some(), "{address}");
            }
        }
    }
}
