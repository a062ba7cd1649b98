//! An address range, such as `127.0.0.0/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits are fixed.
    pub prefix: u8,
}

impl Network {
    /// Whether an address lies in the range. An IPv4 address written as IPv6 is judged as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (width, own) = bits(self.address);
        let (other_width, other) = bits(address.to_canonical());
        width == other_width && mask(width, self.prefix) & own == mask(width, self.prefix) & other
    }
}

fn bits(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    }
}

fn mask(width: u8, prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(u32::from(width.saturating_sub(prefix)))
        .unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("`{text}` is no network; write address and prefix length, such as `10.1.0.0/16`");
        let (address, prefix) = text.split_once('/').ok_or_else(shape)?;
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        let prefix: u8 = prefix.parse().map_err(|_| shape())?;
        let (width, own) = bits(address);
        if prefix > width {
            return Err(format!(
                "`{text}` is no network; a prefix is at most {width} bits long"
            ));
        }
        if own & mask(width, prefix) != own {
            return Err(format!(
                "`{text}` is no network; the address has bits behind its prefix"
            ));
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_in_every_spelling_and_no_others() {
        let network: Network = "127.0.0.0/8".parse().unwrap();
        assert!(network.contains("127.9.9.9".parse().unwrap()));
        assert!(network.contains("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!network.contains("128.0.0.1".parse().unwrap()));
        assert!(!network.contains("::1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()) && !all.contains("2001:db8::1".parse().unwrap()));
        let one: Network = "fd00::1/128".parse().unwrap();
        assert!(one.contains("fd00::1".parse().unwrap()) && !one.contains("fd00::2".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "127.0.0.1",
            "10.0.0.0/33",
            "10.1.0.0/8",
            "host/8",
            "fd00::/129",
            "10.0.0.0/-1",
            "",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
