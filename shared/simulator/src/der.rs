//! A writer for the Distinguished Encoding Rules (ITU-T X.690), as much of it as certificates need.
//!
//! The simulator writes its own DER instead of deriving it from a library's structures for two reasons: it must be able
//! to say things that no correct library would encode (a UTF8String that is not UTF-8, a length that lies), and as an
//! oracle it must not share an encoder's opinions with the code that it tests. Every function returns one complete
//! tag-length-value.

use chrono::{DateTime, Datelike, Utc};
use const_oid::ObjectIdentifier;

/// One or more complete encodings.
pub(crate) type Der = Vec<u8>;

/// An encoding of the given identifier octet.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Der {
    let length = content.len();
    let mut out = Vec::with_capacity(length + 5);
    out.push(tag);
    if length < 0x80 {
        out.push(length.to_le_bytes()[0]);
    } else {
        // X.690 10.1: the definite form in the fewest octets.
        let octets = length.to_be_bytes();
        let start = octets.iter().take_while(|octet| **octet == 0).count();
        let significant = &octets[start..];
        out.push(0x80 | significant.len().to_le_bytes()[0]);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE (also SEQUENCE OF) of complete encodings.
pub(crate) fn sequence<T: AsRef<[u8]>>(parts: &[T]) -> Der {
    tlv(0x30, &joined(parts))
}

/// SET of one element. (No SET here ever has two, so the order of X.690 11.6 never matters.)
pub(crate) fn set_of_one(element: &[u8]) -> Der {
    tlv(0x31, element)
}

/// `[number]` constructed: EXPLICIT tagging, or IMPLICIT tagging of something constructed given by its content.
pub(crate) fn context<T: AsRef<[u8]>>(number: u8, parts: &[T]) -> Der {
    tlv(0xa0 | number, &joined(parts))
}

/// `[number]` IMPLICIT over something primitive.
pub(crate) fn context_primitive(number: u8, content: &[u8]) -> Der {
    tlv(0x80 | number, content)
}

/// OBJECT IDENTIFIER.
pub(crate) fn oid(identifier: ObjectIdentifier) -> Der {
    tlv(0x06, identifier.as_bytes())
}

/// NULL.
pub(crate) fn null() -> Der {
    tlv(0x05, &[])
}

/// BOOLEAN TRUE. (FALSE is a DEFAULT wherever it could stand here, so it is never written.)
pub(crate) fn boolean_true() -> Der {
    tlv(0x01, &[0xff])
}

/// INTEGER of a number.
pub(crate) fn integer(number: u64) -> Der {
    integer_octets(&number.to_be_bytes())
}

/// INTEGER of a non-negative big-endian number.
pub(crate) fn integer_octets(octets: &[u8]) -> Der {
    tlv(0x02, &integer_content(octets))
}

/// The content octets of a non-negative INTEGER: the fewest, with a zero before a set high bit (X.690 8.3).
pub(crate) fn integer_content(octets: &[u8]) -> Vec<u8> {
    let start = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = &octets[start..];
    let mut out = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_none_or(|first| first & 0x80 != 0) {
        out.push(0);
    }
    out.extend_from_slice(significant);
    out
}

/// ENUMERATED of a small number.
pub(crate) fn enumerated(number: u8) -> Der {
    tlv(0x0a, &[number])
}

/// BIT STRING whose last octet has `unused` unused bits.
pub(crate) fn bit_string(unused: u8, octets: &[u8]) -> Der {
    let mut content = Vec::with_capacity(octets.len() + 1);
    content.push(unused);
    content.extend_from_slice(octets);
    tlv(0x03, &content)
}

/// OCTET STRING.
pub(crate) fn octet_string(octets: &[u8]) -> Der {
    tlv(0x04, octets)
}

/// UTF8String; takes bytes because a test may want ones that are not UTF-8.
pub(crate) fn utf8_string(bytes: &[u8]) -> Der {
    tlv(0x0c, bytes)
}

/// PrintableString.
pub(crate) fn printable_string(text: &str) -> Der {
    tlv(0x13, text.as_bytes())
}

/// IA5String.
pub(crate) fn ia5_string(text: &str) -> Der {
    tlv(0x16, text.as_bytes())
}

/// Time (RFC 5280 4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050 on; whole seconds, `Z`.
pub(crate) fn time(at: DateTime<Utc>) -> Der {
    if (1950..2050).contains(&at.year()) {
        tlv(0x17, at.format("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        generalized_time(at)
    }
}

/// GeneralizedTime in whole seconds, `Z`.
pub(crate) fn generalized_time(at: DateTime<Utc>) -> Der {
    tlv(0x18, at.format("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

fn joined<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len()).sum());
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers_take_the_fewest_octets() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 65_536])[..5], [4, 0x83, 1, 0, 0]);
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(0x1e_e607), [2, 3, 0x1e, 0xe6, 0x07]);
        assert_eq!(integer(u64::MAX)[..3], [2, 9, 0]);
    }

    #[test]
    fn f037_times_change_their_type_in_2050() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(time(at("2049-12-31T23:59:59Z")), b"\x17\x0d491231235959Z");
        assert_eq!(time(at("2050-01-01T00:00:00Z")), b"\x18\x0f20500101000000Z");
    }
}
