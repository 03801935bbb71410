//! One list, one certificate, its issuer: what does it say?
//!
//! For `warikan pki` and for whoever has a list in hand and wants to know what it is worth. The issuer's certificates are
//! trusted as they are handed in (a caller has proved them, or wants to assume them); the list is held against the
//! same rules as in a path, and one that may not be used says nothing, whatever is written in it.

use std::time::Duration;

use warikan_types::Timestamp;

use crate::{
    extension::{KeyUsage, ReasonFlags},
    path::{
        PathAlgorithms,
        bag::{List, Listed, REMOVE_FROM_CRL},
        cert::Node,
        covered_reasons,
    },
};

/// A question about one certificate to one list.
#[derive(Debug, Clone, Copy)]
pub struct CrlQuestion<'a> {
    /// The certificate.
    pub certificate: &'a [u8],
    /// Its issuer, under one key or, after a rollover, under two.
    pub issuers: &'a [&'a [u8]],
    /// The list.
    pub crl: &'a [u8],
    /// Oldest thisUpdate that will do; without it the list must have a nextUpdate.
    pub max_age: Option<Duration>,
    /// Accepted keys and algorithms.
    pub algorithms: PathAlgorithms,
}

/// What the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrlAnswer {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked,
}

/// Why the list says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlSilence {
    /// The certificate or its issuer cannot be read, or the names do not chain.
    #[error("certificate_malformed")]
    Certificate,
    /// The list cannot be read, or has what is not understood.
    #[error("crl_malformed")]
    Malformed,
    /// Too old, ended, or of the future.
    #[error("crl_not_current")]
    NotCurrent,
    /// It is about other certificates, or not about all reasons.
    #[error("crl_scope")]
    Scope,
    /// None of the issuer's keys signed it, or may not sign lists.
    #[error("crl_signature_invalid")]
    Signature,
    /// An algorithm that is refused.
    #[error("algorithm_refused")]
    Algorithm,
}

/// Asks.
///
/// # Errors
/// [`CrlSilence`].
pub fn crl_status(question: &CrlQuestion<'_>, at: Timestamp) -> Result<CrlAnswer, CrlSilence> {
    let floor = question.algorithms.rsa_min_bits();
    let read = |der| Node::read(der, floor).map_err(|_| CrlSilence::Certificate);
    let subject = read(question.certificate)?;
    let issuers = question
        .issuers
        .iter()
        .map(|der| read(der))
        .collect::<Result<Vec<_>, _>>()?;
    if !issuers
        .iter()
        .any(|issuer| issuer.subject == subject.issuer)
    {
        return Err(CrlSilence::Certificate);
    }
    let list = List::read(question.crl).map_err(|_| CrlSilence::Malformed)?;
    if list.is_delta() || list.is_indirect() {
        return Err(CrlSilence::Scope);
    }
    let too_old = question
        .max_age
        .is_some_and(|max| at.since(list.body.this_update) > max);
    let unbounded = question.max_age.is_none() && list.body.next_update.is_none();
    let ended = list.body.next_update.is_some_and(|next| at > next);
    if list.body.this_update > at || too_old || unbounded || ended {
        return Err(CrlSilence::NotCurrent);
    }
    if covered_reasons(&list, &subject) != ReasonFlags::ALL {
        return Err(CrlSilence::Scope);
    }
    signed_by_any(&list, &issuers, question.algorithms)?;
    if !list.entries_usable() {
        return Err(CrlSilence::Malformed);
    }
    Ok(match list.look_up(&subject.issuer, subject.view.serial) {
        Listed::No | Listed::Yes(REMOVE_FROM_CRL) => CrlAnswer::Good,
        Listed::Yes(_) => CrlAnswer::Revoked,
    })
}

fn signed_by_any(
    list: &List<'_>,
    issuers: &[Node<'_>],
    algorithms: PathAlgorithms,
) -> Result<(), CrlSilence> {
    if !list.scheme.is_among(algorithms) {
        return Err(CrlSilence::Algorithm);
    }
    let signed = issuers
        .iter()
        .filter(|issuer| issuer.subject == list.issuer && issuer.may(KeyUsage::CRL_SIGN))
        .filter_map(|issuer| issuer.key.as_ref().ok())
        .any(|key| list.scheme.verifies(key, list.tbs, list.signature));
    if signed {
        Ok(())
    } else {
        Err(CrlSilence::Signature)
    }
}
