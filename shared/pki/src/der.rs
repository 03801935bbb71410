//! A strict reader of DER (X.690) over slices.
//!
//! Everything this crate believes about a certificate, CRL or response comes through here. The reader never
//! copies, never allocates and never recurses, so that what a sender claims (a length of four gigabytes, a
//! nesting of ten thousand) costs nothing: a length is compared with the octets that are there, and each
//! structure is opened by the code that knows what to expect inside. BER forms (indefinite lengths, padded
//! lengths, high tag numbers) are refused, because two readings of one object are how validators are fooled.
//!
//! The slices point into the original input. A signature is verified over exactly those octets, never over a
//! re-encoding.

use std::ops::Range;

/// BOOLEAN
pub(crate) const BOOLEAN: u8 = 0x01;
/// INTEGER
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING
pub(crate) const BIT_STRING: u8 = 0x03;
/// OCTET STRING
pub(crate) const OCTET_STRING: u8 = 0x04;
/// NULL
pub(crate) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER
pub(crate) const OID: u8 = 0x06;
/// ENUMERATED
pub(crate) const ENUMERATED: u8 = 0x0a;
/// UTF8String
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// SEQUENCE
pub(crate) const SEQUENCE: u8 = 0x30;
/// SET
pub(crate) const SET: u8 = 0x31;
/// UTCTime
pub(crate) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// Context tag, primitive.
pub(crate) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// Context tag, constructed.
pub(crate) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The octets are not the DER that was expected. The text says where, never what: it may reach a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DerError(pub(crate) &'static str);

/// One element: its tag, its content and the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads one element after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// Opens the only element of `input`, which must have this tag.
    pub(crate) fn only(input: &'a [u8], tag: u8, what: &'static str) -> Result<Self, DerError> {
        let mut outer = Self::new(input);
        let inner = outer.open(tag, what)?;
        outer.finish(what)?;
        Ok(inner)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (tag, header, length) = header(self.rest)?;
        let end = header
            .checked_add(length)
            .ok_or(DerError("a length that overflows"))?;
        let raw = self
            .rest
            .get(..end)
            .ok_or(DerError("a length beyond the end of the input"))?;
        self.rest = &self.rest[end..];
        Ok(Tlv {
            tag,
            value: &raw[header..],
            raw,
        })
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8, what: &'static str) -> Result<Tlv<'a>, DerError> {
        if self.peek() != Some(tag) {
            return Err(DerError(what));
        }
        self.any()
    }

    /// The next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek() == Some(tag) {
            self.any().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Opens the next element, which must have this tag.
    pub(crate) fn open(&mut self, tag: u8, what: &'static str) -> Result<Self, DerError> {
        self.expect(tag, what).map(|tlv| Self::new(tlv.value))
    }

    /// Nothing may be left.
    pub(crate) const fn finish(self, what: &'static str) -> Result<(), DerError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DerError(what))
        }
    }
}

/// Tag, length of the header, length of the content.
fn header(input: &[u8]) -> Result<(u8, usize, usize), DerError> {
    let (&tag, rest) = input.split_first().ok_or(DerError("nothing to read"))?;
    if tag & 0x1f == 0x1f {
        return Err(DerError("a tag number above 30"));
    }
    let (&first, rest) = rest.split_first().ok_or(DerError("a tag without length"))?;
    if first < 0x80 {
        return Ok((tag, 2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(DerError("a length form that DER does not have here"));
    }
    let octets = rest.get(..count).ok_or(DerError("a length cut short"))?;
    let length = octets
        .iter()
        .fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
    if octets[0] == 0 || length < 0x80 {
        return Err(DerError("a length that is not minimal"));
    }
    let length = usize::try_from(length).map_err(|_| DerError("a length beyond memory"))?;
    Ok((tag, 2 + count, length))
}

/// Whether the input is one complete SEQUENCE with a definite, minimal length and nothing after it.
///
/// This separates "not DER at all" (the request is wrong) from "DER, but no certificate of the profile"
/// (the verdict says so).
#[must_use]
pub fn is_der(der: &[u8]) -> bool {
    Reader::only(der, SEQUENCE, "a SEQUENCE").is_ok()
}

/// Where `part`, a slice out of `whole`, lies in it.
pub(crate) fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// Content of an INTEGER in two's complement, shortest form.
pub(crate) fn integer(content: &[u8]) -> Result<&[u8], DerError> {
    match content {
        [] => Err(DerError("an INTEGER without content")),
        [0x00, second, ..] if second & 0x80 == 0 => Err(DerError("an INTEGER that is not minimal")),
        [0xff, second, ..] if second & 0x80 != 0 => Err(DerError("an INTEGER that is not minimal")),
        _ => Ok(content),
    }
}

/// Content of an INTEGER that is not negative: its big-endian octets without leading zero (none for 0).
pub(crate) fn unsigned(content: &[u8]) -> Result<&[u8], DerError> {
    match integer(content)? {
        [0x00, rest @ ..] => Ok(rest),
        [first, ..] if first & 0x80 != 0 => Err(DerError("a negative INTEGER")),
        octets => Ok(octets),
    }
}

/// A small INTEGER that is not negative.
pub(crate) fn small(content: &[u8]) -> Result<u32, DerError> {
    let octets = unsigned(content)?;
    if octets.len() > 4 {
        return Err(DerError("an INTEGER out of range"));
    }
    Ok(octets
        .iter()
        .fold(0, |sum, octet| (sum << 8) | u32::from(*octet)))
}

/// Content of a BOOLEAN: DER has one `TRUE`.
pub(crate) const fn boolean(content: &[u8]) -> Result<bool, DerError> {
    match content {
        [0x00] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(DerError("a BOOLEAN that is not DER")),
    }
}

/// Content of a BIT STRING of whole octets (keys and signatures).
pub(crate) const fn octet_bits(content: &[u8]) -> Result<&[u8], DerError> {
    match content {
        [0x00, octets @ ..] => Ok(octets),
        _ => Err(DerError("a BIT STRING that is not whole octets")),
    }
}

/// Content of a named bit list of at most sixteen bits: bit `n` of the answer is bit `n` of the list.
pub(crate) fn named_bits(content: &[u8]) -> Result<u16, DerError> {
    const WRONG: DerError = DerError("a named bit list that is not DER");
    let (&unused, octets) = content.split_first().ok_or(WRONG)?;
    if octets.len() > 2 || unused > 7 || (octets.is_empty() && unused != 0) {
        return Err(WRONG);
    }
    let mut bits = 0;
    for (index, octet) in octets.iter().enumerate() {
        bits |= u16::from(octet.reverse_bits()) << (8 * index);
    }
    if let Some(last) = octets.last()
        && last.trailing_zeros() != u32::from(unused)
    {
        // X.690 11.2.2: trailing zero bits are removed, so the last bit that counts is a one.
        return Err(WRONG);
    }
    Ok(bits)
}

/// Content of an OBJECT IDENTIFIER: at least one arc, each arc minimal and complete.
pub(crate) fn oid(content: &[u8]) -> Result<&[u8], DerError> {
    const WRONG: DerError = DerError("an OBJECT IDENTIFIER that is not DER");
    if content.last().is_none_or(|last| last & 0x80 != 0) {
        return Err(WRONG);
    }
    let mut fresh = true;
    for octet in content {
        if fresh && *octet == 0x80 {
            return Err(WRONG);
        }
        fresh = octet & 0x80 == 0;
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f056_only_one_complete_sequence_is_der() {
        assert!(is_der(&[0x30, 0x00]));
        assert!(is_der(&[0x30, 0x02, 0x05, 0x00]));
        let mut long = vec![0x30, 0x81, 0x80];
        long.extend([0; 0x80]);
        assert!(is_der(&long));
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x00, 0x00],
            &[0x31, 0x00],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x81, 0x01, 0x00],
            &[0x30, 0x82, 0x00, 0x01, 0x00],
            &[0x30, 0x85, 0x01, 0, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x3f, 0x10, 0x00],
        ] {
            assert!(!is_der(bad), "{bad:?}");
        }
    }

    #[test]
    fn integers_are_minimal() {
        assert_eq!(unsigned(&[0]), Ok(&[][..]));
        assert_eq!(unsigned(&[0, 0x80]), Ok(&[0x80][..]));
        assert_eq!(small(&[1, 0]), Ok(256));
        for bad in [&[][..], &[0, 1], &[0xff, 0x80], &[0x80]] {
            assert!(unsigned(bad).is_err(), "{bad:?}");
        }
        assert_eq!(integer(&[0x80]), Ok(&[0x80][..]));
    }

    #[test]
    fn named_bits_count_from_the_left() {
        assert_eq!(named_bits(&[6, 0xc0]), Ok(0b11));
        assert_eq!(named_bits(&[7, 0x80]), Ok(0b1));
        assert_eq!(named_bits(&[7, 0x00, 0x80]), Ok(1 << 8));
        assert_eq!(named_bits(&[0]), Ok(0));
        for bad in [
            &[][..],
            &[1],
            &[8, 0x80],
            &[6, 0x80],
            &[0, 0xc0],
            &[7, 0x40],
        ] {
            assert!(named_bits(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn object_identifiers_are_minimal_and_complete() {
        assert!(oid(&[0x2a, 0x83, 0x08]).is_ok());
        for bad in [&[][..], &[0x2a, 0x83], &[0x2a, 0x80, 0x01]] {
            assert!(oid(bad).is_err(), "{bad:?}");
        }
    }
}
