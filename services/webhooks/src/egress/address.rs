//! Which addresses are public.
//!
//! IPv4 is public except for the special-purpose blocks (IANA registry, RFC 6890 and its successors). IPv6 is the reverse:
//! only 2000::/3 is handed out as global unicast, and of that the blocks that stand for something else (documentation,
//! 6to4, Teredo and the other protocol assignments) are taken out. What wraps an IPv4 address (mapped, NAT64) lies
//! outside 2000::/3 and is refused without looking inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First address and prefix length.
const V4_SPECIAL: [([u8; 4], u8); 18] = [
    ([0, 0, 0, 0], 8),        // this network (RFC 791)
    ([10, 0, 0, 0], 8),       // private (RFC 1918)
    ([100, 64, 0, 0], 10),    // shared, carrier-grade NAT (RFC 6598); some clouds' metadata
    ([127, 0, 0, 0], 8),      // loopback (RFC 1122)
    ([168, 63, 129, 16], 32), // a cloud's host agent, public by number only
    ([169, 254, 0, 0], 16),   // link-local (RFC 3927); clouds' metadata
    ([172, 16, 0, 0], 12),    // private (RFC 1918)
    ([192, 0, 0, 0], 24),     // protocol assignments (RFC 6890)
    ([192, 0, 2, 0], 24),     // documentation (RFC 5737)
    ([192, 31, 196, 0], 24),  // AS112 (RFC 7535)
    ([192, 52, 193, 0], 24),  // AMT (RFC 7450)
    ([192, 88, 99, 0], 24),   // 6to4 relays, deprecated (RFC 7526)
    ([192, 168, 0, 0], 16),   // private (RFC 1918)
    ([198, 18, 0, 0], 15),    // benchmarking (RFC 2544)
    ([198, 51, 100, 0], 24),  // documentation (RFC 5737)
    ([203, 0, 113, 0], 24),   // documentation (RFC 5737)
    ([224, 0, 0, 0], 4),      // multicast (RFC 5771)
    ([240, 0, 0, 0], 4),      // reserved, and the broadcast address (RFC 1112, RFC 919)
];

/// Within 2000::/3: first 32 bits and prefix length (at most 32).
const V6_SPECIAL: [(u32, u8); 4] = [
    (0x2001_0000, 23), // protocol assignments: Teredo, benchmarking, ORCHID (RFC 2928)
    (0x2001_0db8, 32), // documentation (RFC 3849)
    (0x2002_0000, 16), // 6to4: wraps an IPv4 address (RFC 3056)
    (0x3fff_0000, 20), // documentation (RFC 9637)
];

/// Whether the platform may connect there on a tenant's behalf.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !V4_SPECIAL
        .iter()
        .any(|(block, length)| same_prefix(bits, u32::from_be_bytes(*block), *length))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let head = u32::from(a) << 16 | u32::from(b);
    same_prefix(head, 0x2000_0000, 3)
        && !V6_SPECIAL
            .iter()
            .any(|(block, length)| same_prefix(head, *block, *length))
}

/// Whether the first `length` bits (1 to 32) are the same.
const fn same_prefix(a: u32, b: u32, length: u8) -> bool {
    (a ^ b) >> (32 - length) == 0
}
