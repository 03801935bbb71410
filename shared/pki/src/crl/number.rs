//! CRL numbers (RFC 5280 5.2.3): monotone, at most twenty octets, ordered as numbers.

use std::{cmp::Ordering, fmt};

use super::CrlError;
use crate::der::{self, INTEGER, Reader};

/// A CRL number: big-endian octets without leading zero; none for zero.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CrlNumber(Vec<u8>);

/// More than twenty octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a CRL number has at most 20 octets")]
pub struct CrlNumberError;

impl CrlNumber {
    /// From big-endian octets; leading zeros do not count.
    ///
    /// # Errors
    /// More than twenty octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, CrlNumberError> {
        let start = octets.iter().take_while(|octet| **octet == 0).count();
        let significant = &octets[start..];
        if significant.len() > 20 {
            return Err(CrlNumberError);
        }
        Ok(Self(significant.to_vec()))
    }

    /// Big-endian octets, no leading zero.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Ord for CrlNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer number is the greater one.
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}
impl PartialOrd for CrlNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// `0x` and hexadecimal digits.
impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        if self.0.is_empty() {
            return f.write_str("00");
        }
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
impl fmt::Debug for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) fn read(value: &[u8]) -> Result<CrlNumber, CrlError> {
    let mut reader = Reader::new(value);
    let number = reader.expect(INTEGER, "a CRL number that is no INTEGER")?;
    reader.finish("octets after the CRL number")?;
    CrlNumber::from_octets(der::unsigned(number.value)?)
        .map_err(|_| CrlError::Malformed("a CRL number of more than 20 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_as_numbers() {
        let number = |octets: &[u8]| CrlNumber::from_octets(octets).unwrap();
        assert!(number(&[0xff]) < number(&[1, 0]));
        assert!(number(&[]) < number(&[1]));
        assert_eq!(number(&[0, 0, 7]), number(&[7]));
        assert!(number(&[0x7f; 20]) < number(&[0x80; 20]));
        assert!(CrlNumber::from_octets(&[1; 21]).is_err());
        assert_eq!(number(&[1, 0]).to_string(), "0x0100");
    }
}
