//! Distinguished names and their comparison (RFC 5280 7.1).
//!
//! Two names match when their canonical forms are equal: attribute values of the string types whose characters are
//! known (all but T61String and VideotexString) are decoded, ASCII letters folded to lower case, leading and trailing
//! spaces dropped and inner runs of spaces made one; everything else is compared octet for octet, together with its tag. RDNs with several attributes are sets. A canonical form is length-prefixed throughout, so no two
//! different names share one, and it is used only to compare: names are stored and shown as they were written.
//!
//! Folding more than this (NFKC, full case folding) would make names equal that a CA may have given to two
//! parties; folding less would tell a PrintableString from the same text in UTF8String.

use crate::{
    der::{self, DerError, OID, Reader, SEQUENCE, SET, Tlv, UTF8_STRING},
    hash,
};
use warikan_types::CrlPartition;

const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
pub(crate) const BMP_STRING: u8 = 0x1e;

/// One attribute of an RDN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) value: Tlv<'a>,
}

/// A name in the form in which names are compared: its RDNs one after the other, each with its length before it, so
/// that a name starts with another exactly when its octets do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CanonicalName {
    octets: Vec<u8>,
    rdns: usize,
}

/// A subject's name is personal, a distribution point's tells the municipality.
impl std::fmt::Debug for CanonicalName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CanonicalName(..)")
    }
}

impl CanonicalName {
    /// Reads a whole `Name` (SEQUENCE OF RelativeDistinguishedName).
    pub(crate) fn read(raw: &[u8]) -> Result<Self, DerError> {
        let mut rdns = Reader::only(raw, SEQUENCE, "a name that is no SEQUENCE")?;
        let mut name = Self {
            octets: Vec::with_capacity(raw.len() + raw.len() / 2),
            rdns: 0,
        };
        while !rdns.is_empty() {
            name.push_rdn(rdns.expect(SET, "an RDN that is no SET")?.value)?;
        }
        Ok(name)
    }

    /// Adds the content of one RDN.
    pub(crate) fn push_rdn(&mut self, content: &[u8]) -> Result<(), DerError> {
        self.rdns += 1;
        sized(&mut self.octets, |out| push_attributes(out, content))
    }

    /// How many RDNs.
    pub(crate) const fn len(&self) -> usize {
        self.rdns
    }

    /// Whether it has no RDN.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rdns == 0
    }

    /// Whether it lies below `base`, or is it.
    pub(crate) fn starts_with(&self, base: &Self) -> bool {
        self.octets.starts_with(&base.octets)
    }

    /// The partition of revocation information that this name stands for.
    pub(crate) fn partition(&self) -> CrlPartition {
        CrlPartition(hash::sha256(&self.octets))
    }

    /// Whether an attribute with this text occurs in an RDN of its own.
    pub(crate) fn has(&self, attribute_oid: &[u8], text: &str) -> bool {
        let mut wanted = Vec::new();
        let written = sized(&mut wanted, |rdn| {
            sized(rdn, |one| {
                push(one, attribute_oid);
                sized(one, |out| {
                    fold(out, text.chars());
                    Ok(())
                })
            })
        });
        let mut rest = self.octets.as_slice();
        while let Some((length, _)) = rest.split_first_chunk::<4>() {
            let end = 4 + u32::from_be_bytes(*length) as usize;
            let (rdn, after) = rest.split_at(end.min(rest.len()));
            if written.is_ok() && rdn == wanted {
                return true;
            }
            rest = after;
        }
        false
    }
}

/// Whether the content of an RDN can be read.
pub(crate) fn check_rdn(content: &[u8]) -> Result<(), DerError> {
    let mut reader = Reader::new(content);
    if reader.is_empty() {
        return Err(DerError("an RDN without attribute"));
    }
    while !reader.is_empty() {
        check_text(&attribute(&mut reader)?.value)?;
    }
    Ok(())
}

/// Whether a whole `Name` can be read.
pub(crate) fn check(raw: &[u8]) -> Result<(), DerError> {
    let mut rdns = Reader::only(raw, SEQUENCE, "a name that is no SEQUENCE")?;
    while !rdns.is_empty() {
        check_rdn(rdns.expect(SET, "an RDN that is no SET")?.value)?;
    }
    Ok(())
}

/// The attributes of the content of one RDN.
pub(crate) fn attributes(content: &[u8]) -> Result<Vec<Attribute<'_>>, DerError> {
    let mut reader = Reader::new(content);
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(attribute(&mut reader)?);
    }
    Ok(found)
}

fn attribute<'a>(reader: &mut Reader<'a>) -> Result<Attribute<'a>, DerError> {
    let mut one = reader.open(SEQUENCE, "an attribute that is no SEQUENCE")?;
    let oid = der::oid(one.expect(OID, "an attribute without type")?.value)?;
    let value = one.any()?;
    one.finish("an attribute with more than type and value")?;
    Ok(Attribute { oid, value })
}

/// The attributes of an RDN; several are a set, so they are sorted.
fn push_attributes(out: &mut Vec<u8>, content: &[u8]) -> Result<(), DerError> {
    let mut reader = Reader::new(content);
    if reader.is_empty() {
        return Err(DerError("an RDN without attribute"));
    }
    let first = attribute(&mut reader)?;
    if reader.is_empty() {
        return push_attribute(out, &first);
    }
    let mut all = Vec::new();
    for one in attributes(content)? {
        let mut octets = Vec::new();
        push_attribute(&mut octets, &one)?;
        all.push(octets);
    }
    all.sort_unstable();
    out.extend(all.concat());
    Ok(())
}

fn push_attribute(out: &mut Vec<u8>, one: &Attribute<'_>) -> Result<(), DerError> {
    sized(out, |out| {
        push(out, one.oid);
        sized(out, |out| push_value(out, &one.value))
    })
}

/// Writes what `write` writes with its length before it.
fn sized(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), DerError>,
) -> Result<(), DerError> {
    let start = out.len();
    out.extend([0; 4]);
    write(out)?;
    let length = u32::try_from(out.len() - start - 4).map_err(|_| DerError("a name too long"))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(part);
}

fn push_value(out: &mut Vec<u8>, tlv: &Tlv<'_>) -> Result<(), DerError> {
    check_text(tlv)?;
    match tlv.tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => {
            // Checked: UTF-8, of which ASCII is a part.
            fold(
                out,
                std::str::from_utf8(tlv.value).unwrap_or_default().chars(),
            );
        }
        BMP_STRING => fold(out, wide(tlv.value, 2)),
        UNIVERSAL_STRING => fold(out, wide(tlv.value, 4)),
        _ => {
            out.push(tlv.tag);
            out.extend(tlv.value);
        }
    }
    Ok(())
}

/// Whether the characters of a string type are those that it may have. Types with others are taken as they are.
pub(crate) fn check_text(tlv: &Tlv<'_>) -> Result<(), DerError> {
    let (fits, wrong) = match tlv.tag {
        UTF8_STRING => (
            std::str::from_utf8(tlv.value).is_ok(),
            "a UTF8String that is not UTF-8",
        ),
        PRINTABLE_STRING => (
            tlv.value.iter().all(|octet| is_printable(*octet)),
            "a PrintableString with other characters",
        ),
        IA5_STRING => (tlv.value.is_ascii(), "an IA5String with other characters"),
        BMP_STRING => (is_wide(tlv.value, 2), "a BMPString with a surrogate"),
        UNIVERSAL_STRING => (is_wide(tlv.value, 4), "a UniversalString with no character"),
        tag => (
            is_other_type(tag, tlv.value),
            "a value of no type that names have",
        ),
    };
    if fits { Ok(()) } else { Err(DerError(wrong)) }
}

/// Types of attribute values beside the strings above: INTEGER, BIT STRING (x500UniqueIdentifier), OCTET STRING, OID,
/// NumericString, T61String, VideotexString, times, the other strings, and structures.
const fn is_other_type(tag: u8, value: &[u8]) -> bool {
    match tag {
        0x03 => matches!(value, [0] | [0..=7, _, ..]),
        0x02 | 0x04 | 0x06 => !value.is_empty(),
        0x12 | 0x14 | 0x15 | 0x17..=0x1b | SEQUENCE | SET => true,
        _ => false,
    }
}

fn code(chunk: &[u8]) -> Option<char> {
    char::from_u32(
        chunk
            .iter()
            .fold(0, |sum, octet| (sum << 8) | u32::from(*octet)),
    )
}

/// BMPString has no surrogates: each pair of octets is a character of its own.
fn is_wide(content: &[u8], width: usize) -> bool {
    content.len().is_multiple_of(width)
        && content
            .chunks_exact(width)
            .all(|chunk| code(chunk).is_some())
}

fn wide(content: &[u8], width: usize) -> impl Iterator<Item = char> {
    content.chunks_exact(width).filter_map(code)
}

/// X.680 table 10.
const fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b' ' | b'\'' | b'(' | b')' | b'+' | b',' | b'-' | b'.' | b'/' | b':' | b'=' | b'?'
        )
}

/// Writes the characters folded. A leading octet that no string tag has keeps texts apart from opaque values.
fn fold(out: &mut Vec<u8>, text: impl Iterator<Item = char>) {
    out.push(0);
    let start = out.len();
    let mut gap = false;
    for character in text {
        if character == ' ' {
            gap = out.len() > start;
            continue;
        }
        if gap {
            out.push(b' ');
            gap = false;
        }
        let mut buffer = [0; 4];
        let folded = character.to_ascii_lowercase();
        out.extend(folded.encode_utf8(&mut buffer).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(u8, &[u8])]) -> Vec<u8> {
        let mut rdns = Vec::new();
        for (tag, text) in parts {
            let mut value = vec![*tag, u8::try_from(text.len()).unwrap()];
            value.extend(*text);
            let mut attribute = vec![OID, 3, 0x55, 4, 10];
            attribute.extend(value);
            for tag in [SEQUENCE, SET] {
                attribute.splice(0..0, [tag, u8::try_from(attribute.len()).unwrap()]);
            }
            rdns.extend(attribute);
        }
        rdns.splice(0..0, [SEQUENCE, u8::try_from(rdns.len()).unwrap()]);
        rdns
    }

    fn canonical(parts: &[(u8, &[u8])]) -> CanonicalName {
        CanonicalName::read(&name(parts)).unwrap()
    }

    #[test]
    fn f036_the_same_text_in_another_string_type_is_the_same_name() {
        let one = canonical(&[(PRINTABLE_STRING, b"JPKI Test")]);
        assert!(one == canonical(&[(UTF8_STRING, b"  jpki   TEST ")]));
        assert!(one == canonical(&[(BMP_STRING, b"\0j\0p\0k\0i\0 \0t\0e\0s\0t")]));
        assert!(one != canonical(&[(UTF8_STRING, b"jpkitest")]));
        assert!(one != canonical(&[(0x14, b"JPKI Test")]));
        assert!(!one.has(crate::oid::ORGANIZATION, "JPKI-Test"));
        assert!(one.has(crate::oid::ORGANIZATION, "jpki test"));
    }

    #[test]
    fn f036_full_width_space_and_letters_are_not_folded() {
        let one = canonical(&[(UTF8_STRING, "黒桐　幹也".as_bytes())]);
        assert!(one != canonical(&[(UTF8_STRING, "黒桐 幹也".as_bytes())]));
        assert!(
            canonical(&[(UTF8_STRING, "Ａ".as_bytes())])
                != canonical(&[(UTF8_STRING, "ａ".as_bytes())])
        );
    }

    #[test]
    fn f036_broken_names_are_refused() {
        for bad in [
            name(&[(UTF8_STRING, b"\xff")]),
            name(&[(BMP_STRING, b"\xd8\x00")]),
            name(&[(BMP_STRING, b"\0")]),
            name(&[(UNIVERSAL_STRING, b"\0\x11\0\0")]),
            vec![SEQUENCE, 2, SET, 0],
            vec![SET, 0],
        ] {
            assert!(CanonicalName::read(&bad).is_err(), "{bad:?}");
        }
    }
}
