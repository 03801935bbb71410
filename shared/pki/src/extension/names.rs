//! GeneralName and the lists of them.

use crate::{
    der::{self, DerError, OID, Reader, SEQUENCE, SET, UTF8_STRING, constructed},
    name,
};

/// `GeneralName` (RFC 5280 4.2.1.6).
#[derive(Debug, Clone, Copy)]
pub(crate) enum GeneralName<'a> {
    /// type-id and the whole value inside `[0]`.
    Other {
        oid: &'a [u8],
        value: &'a [u8],
    },
    Email(&'a [u8]),
    Dns(&'a [u8]),
    /// The whole `Name`.
    Directory(&'a [u8]),
    Uri(&'a [u8]),
    Ip(&'a [u8]),
    /// x400Address, ediPartyName, registeredID by tag number: nothing here compares them.
    Unread(u8),
}

/// The elements of a list of `GeneralName`.
pub(crate) fn general_names(content: &[u8]) -> Result<Vec<GeneralName<'_>>, DerError> {
    let mut list = Reader::new(content);
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(general_name(&mut list)?);
    }
    if found.is_empty() {
        return Err(DerError("an empty list of names"));
    }
    Ok(found)
}

/// One `GeneralName`.
pub(crate) fn general_name<'a>(list: &mut Reader<'a>) -> Result<GeneralName<'a>, DerError> {
    let one = list.any()?;
    Ok(match one.tag {
        0xa0 => {
            let mut inner = Reader::new(one.value);
            let oid = der::oid(inner.expect(OID, "an otherName without type")?.value)?;
            let value = inner.expect(constructed(0), "an otherName without value")?;
            inner.finish("octets after an otherName")?;
            GeneralName::Other {
                oid,
                value: value.value,
            }
        }
        0x81 | 0x82 | 0x86 if !one.value.is_ascii() => {
            return Err(DerError("an IA5String with other characters"));
        }
        0x81 => GeneralName::Email(one.value),
        0x82 => GeneralName::Dns(one.value),
        0x86 => GeneralName::Uri(one.value),
        0xa4 => {
            // A CHOICE is tagged explicitly: the Name is inside.
            name::check(one.value)?;
            GeneralName::Directory(one.value)
        }
        0x87 => GeneralName::Ip(one.value),
        0xa3 => {
            check_address(one.value)?;
            GeneralName::Unread(3)
        }
        0xa5 => {
            check_party(one.value)?;
            GeneralName::Unread(5)
        }
        0x88 => {
            der::oid(one.value)?;
            GeneralName::Unread(8)
        }
        _ => return Err(DerError("a name of a kind that does not exist")),
    })
}

/// The content of `ORAddress`: built-in-standard-attributes and what may follow. What is in them nobody has used for thirty years.
fn check_address(content: &[u8]) -> Result<(), DerError> {
    let mut inner = Reader::new(content);
    inner.expect(SEQUENCE, "an x400Address without attributes")?;
    for tag in [SEQUENCE, SET] {
        inner.optional(tag)?;
    }
    inner.finish("octets after an x400Address")
}

/// The content of `EDIPartyName`: nameAssigner and partyName, each a DirectoryString in a tag of its own, for that is a CHOICE.
fn check_party(content: &[u8]) -> Result<(), DerError> {
    let mut inner = Reader::new(content);
    if let Some(assigner) = inner.optional(constructed(0))? {
        check_directory_string(assigner.value)?;
    }
    let party = inner.expect(constructed(1), "an ediPartyName without party")?;
    check_directory_string(party.value)?;
    inner.finish("octets after an ediPartyName")
}

fn check_directory_string(content: &[u8]) -> Result<(), DerError> {
    let mut inner = Reader::new(content);
    let text = inner.any()?;
    inner.finish("octets after a text")?;
    match text.tag {
        // UTF8String, PrintableString, T61String, UniversalString, BMPString.
        UTF8_STRING | 0x13 | 0x14 | 0x1c | 0x1e => name::check_text(&text),
        _ => Err(DerError("a DirectoryString of another type")),
    }
}

/// `SubjectAltName` or `IssuerAltName`, whole.
pub(crate) fn alt_name(value: &[u8]) -> Result<Vec<GeneralName<'_>>, DerError> {
    let mut outer = Reader::new(value);
    let list = outer.expect(SEQUENCE, "names that are no SEQUENCE")?;
    outer.finish("octets after the names")?;
    let names = general_names(list.value)?;
    let is_address = |octets: &[u8]| matches!(octets.len(), 4 | 16);
    if names
        .iter()
        .any(|name| matches!(name, GeneralName::Ip(octets) if !is_address(octets)))
    {
        return Err(DerError("an address that is neither IPv4 nor IPv6"));
    }
    Ok(names)
}
