//! A small DER writer, so that tests can also write what no library would.

use warikan_pki::Oid;

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let significant = &octets[octets.iter().position(|octet| *octet != 0).unwrap()..];
        out.push(0x80 | significant.len() as u8);
        out.extend(significant);
    }
    out.extend(content);
    out
}

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub fn oid(dotted: &str) -> Vec<u8> {
    tlv(6, dotted.parse::<Oid>().unwrap().content())
}

pub fn int(content: &[u8]) -> Vec<u8> {
    tlv(2, content)
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

pub fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub fn bits(unused: u8, content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[unused], content].concat())
}

/// UTCTime up to 2049, GeneralizedTime from then on, of `YYYYMMDDHHMMSSZ`.
pub fn time(text: &str) -> Vec<u8> {
    if text < "2050" {
        tlv(0x17, &text.as_bytes()[2..])
    } else {
        tlv(0x18, text.as_bytes())
    }
}

/// A name of `(attribute, value)` pairs, one per RDN; values are whole elements.
pub fn name(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let rdns: Vec<_> = pairs
        .iter()
        .map(|(kind, value)| set(&[seq(&[oid(kind), value.clone()])]))
        .collect();
    seq(&rdns)
}

pub fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(tlv(1, &[0xff]));
    }
    parts.push(octets(value));
    seq(&parts)
}
