//! IP networks, for conditions on the client's address.

use witgate_plugin::Problems;
use witgate_plugin::json::Json;
use witgate_plugin::settings::Setting;

/// A network such as `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    base: Address,
    /// The number of bits at the end of an address that may be any.
    free: u32,
}

/// An IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    V4(u32),
    V6(u128),
}

/// The number of groups in an IPv6 address.
const GROUPS: u32 = 8;

// === impl Network ===

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let base = Address::parse(base)?;
        let most: u32 = match base {
            Address::V4(_) => 32,
            Address::V6(_) => 128,
        };
        let free = most.checked_sub(bits.unwrap_or(most))?;
        Some(Self { base, free })
    }

    /// Returns whether `address` is the text of an address in the network.
    pub(crate) fn holds(self, address: &str) -> bool {
        let different = match (self.base, Address::parse(address)) {
            (Address::V4(base), Some(Address::V4(address))) => u128::from(base ^ address),
            (Address::V6(base), Some(Address::V6(address))) => base ^ address,
            _ => return false,
        };
        different.checked_shr(self.free).unwrap_or_default() == 0
    }
}

// === impl Address ===

/// Parses the same texts as the standard library, whose parser is three times as much code.
impl Address {
    fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        v4(text).map(Self::V4).or_else(|| v6(text).map(Self::V6))
    }
}

/// Parses `192.0.2.1`.
fn v4(text: &[u8]) -> Option<u32> {
    let (mut address, mut count) = (0, 0);
    for part in text.split(|byte| *byte == b'.') {
        // A leading zero would be octal to some.
        if matches!(part, [b'0', _, ..]) {
            return None;
        }
        let number = digits(part, 3, 10).filter(|number| *number < 256)?;
        address = address << 8 | number;
        count += 1;
    }
    (count == 4).then_some(address)
}

/// Parses `2001:db8::1`, also with an IPv4 address at its end.
fn v6(mut text: &[u8]) -> Option<u128> {
    let (mut address, mut count, mut gap) = (0_u128, 0, None);
    if let Some(rest) = text.strip_prefix(b"::") {
        (text, gap) = (rest, Some(0));
    }
    while !text.is_empty() {
        let end = text.iter().position(|byte| *byte == b':');
        let (part, rest) = text.split_at(end.unwrap_or(text.len()));
        match v4(part).filter(|_| rest.is_empty()) {
            Some(last) => {
                address = address << 32 | u128::from(last);
                count += 2;
            }
            None => {
                address = address << 16 | u128::from(digits(part, 4, 16)?);
                count += 1;
            }
        }
        if count > GROUPS {
            return None;
        }
        text = match rest {
            [b':', b':', rest @ ..] if gap.is_none() => {
                gap = Some(count);
                rest
            }
            // A single colon has a group behind it.
            [b':', rest @ ..] if !rest.is_empty() => rest,
            [] => rest,
            _ => return None,
        };
    }
    match gap {
        None => (count == GROUPS).then_some(address),
        // The gap stands for one group at least.
        Some(before) if count < GROUPS => {
            let behind = 16 * (count - before);
            let tail = address & !u128::MAX.checked_shl(behind).unwrap_or_default();
            let head = address >> behind;
            Some(tail | head.checked_shl(16 * (GROUPS - before)).unwrap_or_default())
        }
        Some(_) => None,
    }
}

/// Parses a number of at most so many digits.
fn digits(text: &[u8], most: usize, radix: u32) -> Option<u32> {
    if text.is_empty() || text.len() > most {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        Some(number * radix + char::from(*byte).to_digit(radix)?)
    })
}

impl Default for Network {
    /// Returns the network of the address that stands for none.
    fn default() -> Self {
        Self {
            base: Address::V4(0),
            free: 0,
        }
    }
}

impl Setting for Network {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let text = String::read(value, path, problems)?;
        let network = Self::parse(&text);
        if network.is_none() {
            let wanted = "must be an address, or a network like 10.0.0.0/8 or 2001:db8::/32";
            problems.wrong(path, wanted);
        }
        network
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Address, Network};

    #[test]
    fn addresses_are_those_of_the_standard_library() {
        let mut texts: Vec<String> = [
            "",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1:",
            ":1",
            "::1:",
            "1::2::3",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3::5:6:7:8",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
            "1:2:3:4:5:6:192.0.2.1",
            "1:2:3:4:5:6:7:192.0.2.1",
            "192.0.2.1::",
            "1:192.0.2.1::",
            "::192.0.2.1:1",
            "::192.0.2",
            "::192.0.2.256",
            "12345::",
            "::g",
            "FFFF::abcd",
            "::00001",
            "::0001",
            "fe80::1%1",
            "0.0.0.0",
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.00",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1..2.3",
            "+1.2.3.4",
            "1.2.3.-4",
            "0x1.2.3.4",
            "1.2.3.4:80",
            "[::1]",
        ]
        .map(str::to_owned)
        .to_vec();
        // Every gap at every place.
        for before in 0..=8 {
            for behind in 0..=8 {
                let groups = |count: usize| vec!["a1"; count].join(":");
                texts.push(format!("{}::{}", groups(before), groups(behind)));
            }
        }
        for text in texts {
            let expected = text.parse().ok().map(|address: IpAddr| match address {
                IpAddr::V4(address) => Address::V4(address.to_bits()),
                IpAddr::V6(address) => Address::V6(address.to_bits()),
            });
            assert_eq!(Address::parse(&text), expected, "`{text}`");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::/0", "nonsense", false),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.holds(address), holds, "{address} in {network:?}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "a"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
