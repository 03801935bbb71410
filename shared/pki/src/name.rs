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
const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// One attribute of an RDN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) value: Tlv<'a>,
}

/// A name in the form in which names are compared: one canonical string of octets per RDN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CanonicalName(pub(crate) Vec<Vec<u8>>);

impl CanonicalName {
    /// Reads a whole `Name` (SEQUENCE OF RelativeDistinguishedName).
    pub(crate) fn read(raw: &[u8]) -> Result<Self, DerError> {
        let mut rdns = Reader::only(raw, SEQUENCE, "a name that is no SEQUENCE")?;
        let mut canonical = Vec::new();
        while !rdns.is_empty() {
            let set = rdns.expect(SET, "an RDN that is no SET")?;
            canonical.push(rdn(set.value)?);
        }
        Ok(Self(canonical))
    }

    /// The partition of revocation information that this name stands for.
    pub(crate) fn partition(&self) -> CrlPartition {
        let mut all = Vec::new();
        for rdn in &self.0 {
            push(&mut all, rdn);
        }
        CrlPartition(hash::sha256(&all))
    }

    /// Whether the canonical value of an attribute occurs in an RDN of its own.
    pub(crate) fn has(&self, attribute_oid: &[u8], text: &str) -> bool {
        let wanted = canonical_attribute(attribute_oid, &canonical_text(text));
        self.0.iter().any(|rdn| {
            let mut only = Vec::new();
            push(&mut only, &wanted);
            *rdn == only
        })
    }
}

/// The canonical form of the content of one RDN: its attributes sorted.
pub(crate) fn rdn(content: &[u8]) -> Result<Vec<u8>, DerError> {
    let mut attributes = attributes(content)?
        .into_iter()
        .map(|one| value(&one.value).map(|value| canonical_attribute(one.oid, &value)))
        .collect::<Result<Vec<_>, _>>()?;
    if attributes.is_empty() {
        return Err(DerError("an RDN without attribute"));
    }
    attributes.sort_unstable();
    let mut out = Vec::new();
    for one in &attributes {
        push(&mut out, one);
    }
    Ok(out)
}

/// The attributes of the content of one RDN.
pub(crate) fn attributes(content: &[u8]) -> Result<Vec<Attribute<'_>>, DerError> {
    let mut reader = Reader::new(content);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let mut one = reader.open(SEQUENCE, "an attribute that is no SEQUENCE")?;
        let oid = der::oid(one.expect(OID, "an attribute without type")?.value)?;
        let value = one.any()?;
        one.finish("an attribute with more than type and value")?;
        found.push(Attribute { oid, value });
    }
    Ok(found)
}

fn canonical_attribute(oid: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(oid.len() + value.len() + 8);
    push(&mut out, oid);
    push(&mut out, value);
    out
}

fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(part);
}

fn value(tlv: &Tlv<'_>) -> Result<Vec<u8>, DerError> {
    text(tlv).map(|text| {
        text.map_or_else(
            || {
                let mut opaque = vec![tlv.tag];
                opaque.extend(tlv.value);
                opaque
            },
            |text| canonical_text(&text),
        )
    })
}

/// The text of a string type whose repertoire is known; `None` for others.
pub(crate) fn text(tlv: &Tlv<'_>) -> Result<Option<String>, DerError> {
    let text = match tlv.tag {
        UTF8_STRING => std::str::from_utf8(tlv.value)
            .map_err(|_| DerError("a UTF8String that is not UTF-8"))?
            .to_owned(),
        PRINTABLE_STRING => {
            if !tlv.value.iter().all(|octet| is_printable(*octet)) {
                return Err(DerError("a PrintableString with other characters"));
            }
            tlv.value.iter().map(|octet| char::from(*octet)).collect()
        }
        IA5_STRING => {
            if !tlv.value.is_ascii() {
                return Err(DerError("an IA5String with other characters"));
            }
            tlv.value.iter().map(|octet| char::from(*octet)).collect()
        }
        BMP_STRING => wide(tlv.value, 2)?,
        UNIVERSAL_STRING => wide(tlv.value, 4)?,
        _ => return Ok(None),
    };
    Ok(Some(text))
}

/// BMPString has no surrogates: each pair of octets is a character of its own.
fn wide(content: &[u8], width: usize) -> Result<String, DerError> {
    const WRONG: DerError = DerError("a wide string with no character at some place");
    let chunks = content.chunks_exact(width);
    if !chunks.remainder().is_empty() {
        return Err(WRONG);
    }
    chunks
        .map(|chunk| {
            let code = chunk
                .iter()
                .fold(0, |sum, octet| (sum << 8) | u32::from(*octet));
            char::from_u32(code).ok_or(WRONG)
        })
        .collect()
}

/// X.680 table 10.
const fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b' ' | b'\'' | b'(' | b')' | b'+' | b',' | b'-' | b'.' | b'/' | b':' | b'=' | b'?'
        )
}

/// A leading octet that no string tag has keeps texts apart from opaque values.
fn canonical_text(text: &str) -> Vec<u8> {
    let mut out = vec![0];
    let mut gap = false;
    for character in text.chars() {
        if character == ' ' {
            gap = out.len() > 1;
            continue;
        }
        if gap {
            out.push(b' ');
            gap = false;
        }
        let mut buffer = [0; 4];
        out.extend(
            character
                .to_ascii_lowercase()
                .encode_utf8(&mut buffer)
                .as_bytes(),
        );
    }
    out
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
