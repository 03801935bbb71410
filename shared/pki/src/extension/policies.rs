//! certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy.

use crate::{
    der::{self, DerError, INTEGER, OID, Reader, SEQUENCE, Tlv, UTF8_STRING, context},
    name::{self, BMP_STRING, IA5_STRING},
    oid::{QUALIFIER_CPS, QUALIFIER_NOTICE},
};

const VISIBLE_STRING: u8 = 0x1a;

/// More policies than any CA asserts; a bound on the quadratic search for duplicates.
const MAX_POLICIES: usize = 1024;

/// `certificatePolicies` (RFC 5280 4.2.1.4): the OIDs; qualifiers are checked for shape.
pub(crate) struct Policies<'a> {
    pub(crate) oids: Vec<&'a [u8]>,
    /// Whether there is a qualifier other than the two of RFC 5280.
    pub(crate) foreign_qualifier: bool,
}

pub(crate) fn policies(value: &[u8]) -> Result<Policies<'_>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "policies that are no SEQUENCE")?;
    let mut found = Policies {
        oids: Vec::new(),
        foreign_qualifier: false,
    };
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a policy that is no SEQUENCE")?;
        let oid = der::oid(one.expect(OID, "a policy without OID")?.value)?;
        if let Some(qualifiers) = one.optional(SEQUENCE)? {
            found.foreign_qualifier |= has_foreign_qualifier(qualifiers.value)?;
        }
        one.finish("octets after a policy")?;
        if found.oids.contains(&oid) {
            return Err(DerError("a policy that occurs twice"));
        }
        if found.oids.len() == MAX_POLICIES {
            return Err(DerError("too many policies"));
        }
        found.oids.push(oid);
    }
    if found.oids.is_empty() {
        return Err(DerError("an empty list of policies"));
    }
    Ok(found)
}

fn has_foreign_qualifier(content: &[u8]) -> Result<bool, DerError> {
    let mut qualifiers = Reader::new(content);
    if qualifiers.is_empty() {
        return Err(DerError("an empty list of qualifiers"));
    }
    let mut foreign = false;
    while !qualifiers.is_empty() {
        let mut one = qualifiers.open(SEQUENCE, "a qualifier that is no SEQUENCE")?;
        let kind = der::oid(one.expect(OID, "a qualifier without OID")?.value)?;
        let value = one.any()?;
        match kind {
            QUALIFIER_CPS if value.tag == IA5_STRING => name::check_text(&value)?,
            QUALIFIER_CPS => return Err(DerError("an address of a policy that is no IA5String")),
            QUALIFIER_NOTICE => check_notice(&value)?,
            _ => foreign = true,
        }
        one.finish("octets after a qualifier")?;
    }
    Ok(foreign)
}

/// `UserNotice`: a reference, a text, both or neither. The text may be longer than the 200 characters of RFC 5280, for so are those of
/// many CAs.
fn check_notice(value: &Tlv<'_>) -> Result<(), DerError> {
    let mut notice = Reader::only(value.raw, SEQUENCE, "a notice that is no SEQUENCE")?;
    if let Some(reference) = notice.optional(SEQUENCE)? {
        let mut reference = Reader::new(reference.value);
        check_display_text(&reference.any()?)?;
        let mut numbers = reference.open(SEQUENCE, "a notice without numbers")?;
        reference.finish("octets after the numbers of a notice")?;
        while !numbers.is_empty() {
            der::integer(numbers.expect(INTEGER, "a notice without number")?.value)?;
        }
    }
    if !notice.is_empty() {
        check_display_text(&notice.any()?)?;
    }
    notice.finish("octets after a notice")
}

/// `DisplayText`.
fn check_display_text(text: &Tlv<'_>) -> Result<(), DerError> {
    match text.tag {
        IA5_STRING | VISIBLE_STRING | BMP_STRING | UTF8_STRING => name::check_text(text),
        _ => Err(DerError("a notice that is no text")),
    }
}

/// A policy of the issuer and the policy of the subject it is held equal to.
pub(crate) type Mapping<'a> = (&'a [u8], &'a [u8]);

/// `PolicyMappings` (RFC 5280 4.2.1.5).
pub(crate) fn policy_mappings(value: &[u8]) -> Result<Vec<Mapping<'_>>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "mappings that are no SEQUENCE")?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a mapping that is no SEQUENCE")?;
        let issuer = der::oid(one.expect(OID, "a mapping without issuer policy")?.value)?;
        let subject = der::oid(one.expect(OID, "a mapping without subject policy")?.value)?;
        one.finish("octets after a mapping")?;
        if found.len() == MAX_POLICIES {
            return Err(DerError("too many mappings"));
        }
        found.push((issuer, subject));
    }
    if found.is_empty() {
        return Err(DerError("an empty list of mappings"));
    }
    Ok(found)
}

/// `PolicyConstraints` (RFC 5280 4.2.1.11).
#[derive(Debug, Clone, Copy)]
pub(crate) struct PolicyConstraints {
    pub(crate) require_explicit: Option<u32>,
    pub(crate) inhibit_mapping: Option<u32>,
}

pub(crate) fn policy_constraints(value: &[u8]) -> Result<PolicyConstraints, DerError> {
    let mut inner = Reader::only(value, SEQUENCE, "policy constraints that are no SEQUENCE")?;
    let mut skip = |number| {
        inner
            .optional(context(number))?
            .map(|tlv| der::small(tlv.value))
            .transpose()
    };
    let found = PolicyConstraints {
        require_explicit: skip(0)?,
        inhibit_mapping: skip(1)?,
    };
    inner.finish("octets after the policy constraints")?;
    if found.require_explicit.is_none() && found.inhibit_mapping.is_none() {
        return Err(DerError("empty policy constraints"));
    }
    Ok(found)
}

/// `InhibitAnyPolicy` (RFC 5280 4.2.1.14).
pub(crate) fn inhibit_any_policy(value: &[u8]) -> Result<u32, DerError> {
    let mut reader = Reader::new(value);
    let skip = der::small(
        reader
            .expect(INTEGER, "an inhibitAnyPolicy that is no INTEGER")?
            .value,
    )?;
    reader.finish("octets after inhibitAnyPolicy")?;
    Ok(skip)
}
