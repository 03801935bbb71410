//! `IssuingDistributionPoint` (RFC 5280 5.2.5): which certificates and reasons a list is about.

use crate::{
    der::{self, DerError, Reader, SEQUENCE, constructed, context},
    extension::{PointName, ReasonFlags, point_name},
};

#[derive(Debug, Clone)]
pub(crate) struct IssuingDistributionPoint<'a> {
    pub(crate) name: Option<PointName<'a>>,
    pub(crate) only_user: bool,
    pub(crate) only_ca: bool,
    pub(crate) only_some_reasons: Option<ReasonFlags>,
    pub(crate) indirect: bool,
    pub(crate) only_attribute: bool,
}

impl<'a> IssuingDistributionPoint<'a> {
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, DerError> {
        let mut inner = Reader::only(value, SEQUENCE, "a distribution point that is no SEQUENCE")?;
        if inner.is_empty() {
            // RFC 5280 5.2.5: never an empty SEQUENCE.
            return Err(DerError("an empty distribution point"));
        }
        let name = inner
            .optional(constructed(0))?
            .map(|tlv| point_name(tlv.value))
            .transpose()?;
        let only_user = flag(&mut inner, 1)?;
        let only_ca = flag(&mut inner, 2)?;
        let only_some_reasons = inner
            .optional(context(3))?
            .map(|tlv| der::named_bits(tlv.value).map(ReasonFlags))
            .transpose()?;
        let indirect = flag(&mut inner, 4)?;
        let only_attribute = flag(&mut inner, 5)?;
        inner.finish("octets after the distribution point")?;
        if [only_user, only_ca, only_attribute]
            .into_iter()
            .filter(|set| *set)
            .count()
            > 1
        {
            return Err(DerError("a distribution point for two kinds at once"));
        }
        Ok(Self {
            name,
            only_user,
            only_ca,
            only_some_reasons,
            indirect,
            only_attribute,
        })
    }
}

/// `[n] IMPLICIT BOOLEAN DEFAULT FALSE`.
fn flag(inner: &mut Reader<'_>, number: u8) -> Result<bool, DerError> {
    match inner.optional(context(number))? {
        None => Ok(false),
        Some(one) if der::boolean(one.value)? => Ok(true),
        Some(_) => Err(DerError("a default that DER does not write")),
    }
}
