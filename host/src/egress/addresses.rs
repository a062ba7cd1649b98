//! Which addresses may be connected to, once a name is resolved.
//!
//! A name alone proves nothing: whoever owns it can point it at this machine's neighbours. So the address is judged
//! after resolution, and the connection is made to the very address that was judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::origin::Origin;

/// A network in the notation `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network; write it like 10.1.0.0/16 or fd00:1::/32")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refuse = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| refuse())?,
            None => longest,
        };
        if prefix > longest {
            return Err(refuse());
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether an address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                let (network, address) = (u64::from(network.to_bits()), u64::from(address.to_bits()));
                network >> shift == address >> shift
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let difference = network.to_bits() ^ address.to_bits();
                difference.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// Why an address may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} resolves to {address}, which is {what}; if that is meant, list its network in the configuration \
     (allowed_networks = [\"{address}\"])"
)]
pub struct AddressRefusal {
    /// The name.
    pub host: String,
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub what: &'static str,
}

/// Whether a place may be reached at an address.
///
/// # Errors
/// If the address is not public, neither listed nor literally the configured base URL's.
pub fn judge(origin: &Origin, address: IpAddr, allowed: &[Network]) -> Result<(), AddressRefusal> {
    let Some(what) = not_public(address) else {
        return Ok(());
    };
    if allowed.iter().any(|network| network.contains(address)) {
        return Ok(());
    }
    // A base URL that is literally this address was written by the operator; `localhost` says as much. Link-local
    // addresses, where clouds keep their metadata, must be listed all the same.
    let literal = origin.address() == Some(address) || (origin.is_this_machine() && address.is_loopback());
    if literal && what != LINK_LOCAL && what != METADATA {
        return Ok(());
    }
    Err(AddressRefusal {
        host: origin.host().to_owned(),
        address,
        what,
    })
}

const LINK_LOCAL: &str = "link-local";
const METADATA: &str = "a cloud's metadata service";

/// What kind of address it is, if it is not a public one.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        _ if address == Ipv4Addr::new(169, 254, 169, 254) || address == Ipv4Addr::new(100, 100, 100, 200) => {
            METADATA
        }
        (0, ..) => "this network (0.0.0.0/8)",
        (127, ..) => "a loopback address of this machine",
        (10, ..) | (192, 168, _) => "private",
        (172, 16..=31, _) => "private",
        (169, 254, _) => LINK_LOCAL,
        (100, 64..=127, _) => "shared by a carrier (100.64.0.0/10)",
        (192, 0, 0) | (198, 18..=19, _) | (192, 88, 99) => "reserved for special use",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "reserved for documentation",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    Some(match first {
        _ if address.is_unspecified() => "unspecified",
        _ if address.is_loopback() => "a loopback address of this machine",
        // v4-mapped (::ffff:0:0/96), v4-compatible (::/96) and v4-translated (::ffff:0:0:0/96): never needed, since
        // the address itself can be used, and a way around every rule for IPv4.
        0 if [second, third, fourth].iter().all(|part| *part == 0)
            && matches!((fifth, sixth), (0, 0 | 0xffff) | (0xffff, 0)) =>
        {
            return Some(not_public_v4(embedded(seventh, eighth)).unwrap_or("an IPv4 address in disguise"));
        }
        0x64 if second == 0xff9b => "translated to IPv4 (64:ff9b::/96, NAT64)",
        0x100 => "a discard address",
        0x2001 if second == 0 => "a Teredo tunnel",
        0x2001 if second == 0xdb8 => "reserved for documentation",
        0x2001 if second < 0x200 => "reserved for special use",
        0x2002 => "a 6to4 tunnel",
        0x3fff => "reserved for documentation",
        0x5f00 => "reserved for special use",
        0xfd00 if second == 0xec2 => METADATA,
        0xfc00..=0xfdff => "private (unique local)",
        0xfe80..=0xfebf => LINK_LOCAL,
        0xfec0..=0xfeff => "site-local",
        0xff00..=0xffff => "multicast",
        0x2000..=0x3fff => return None,
        _ => "outside the public range of IPv6 (2000::/3)",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vendor() -> Origin {
        Origin::base("https://graph.microsoft.com").unwrap()
    }

    fn refused(address: &str) -> bool {
        judge(&vendor(), address.parse().unwrap(), &[]).is_err()
    }

    #[test]
    fn r52_addresses_that_are_not_public_are_refused_after_resolution() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "192.0.0.8",
            "198.18.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "4000::1",
            "3fff::1",
        ] {
            assert!(refused(address), "{address}");
        }
        for address in [
            "8.8.8.8",
            "20.190.128.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
        ] {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn the_operator_can_list_a_network() {
        let allowed = ["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()];
        let judge = |address: &str| judge(&vendor(), address.parse().unwrap(), &allowed);
        assert!(judge("10.1.2.3").is_ok());
        assert!(judge("10.2.2.3").is_err());
        assert!(judge("fd00:1::5").is_ok());
        assert!(judge("fd00:2::5").is_err());
        let message = judge("10.2.2.3").unwrap_err().to_string();
        assert!(message.contains("allowed_networks = [\"10.2.2.3\"]"), "{message}");
    }

    #[test]
    fn a_base_url_that_is_literally_the_address_is_enough_except_for_metadata() {
        let local = Origin::base("http://127.0.0.1:8080").unwrap();
        assert!(judge(&local, "127.0.0.1".parse().unwrap(), &[]).is_ok());
        assert!(judge(&local, "10.0.0.1".parse().unwrap(), &[]).is_err());
        let name = Origin::base("http://localhost:8080").unwrap();
        assert!(judge(&name, "::1".parse().unwrap(), &[]).is_ok());
        let metadata = Origin::base("https://169.254.169.254").unwrap();
        assert!(judge(&metadata, "169.254.169.254".parse().unwrap(), &[]).is_err());
    }

    #[test]
    fn networks_are_read_strictly() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "host/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let everything: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everything.contains("255.1.2.3".parse().unwrap()));
        assert!(!everything.contains("::1".parse().unwrap()));
        let single: Network = "10.0.0.1".parse().unwrap();
        assert!(
            single.contains("10.0.0.1".parse().unwrap()) && !single.contains("10.0.0.2".parse().unwrap())
        );
    }

    proptest! {
        #[test]
        fn r52_no_private_address_hides_within_an_ipv6_address(octets in any::<[u8; 4]>()) {
            let address = Ipv4Addr::from(octets);
            prop_assert!(not_public_v6(address.to_ipv6_mapped()).is_some());
        }
    }
}
