//! Revocation lists: one per CA generation and municipality, or one complete list per generation.
//!
//! Which of the two layouts J-LIS uses is not public, so both are here. A partition says in its issuingDistributionPoint exactly the
//! name that the leaves carry in their cRLDistributionPoints; as that name does not tell the generation, only
//! the signature (and the authority key identifier) does, and the list of one generation must never vouch for another's
//! certificates.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use crate::{
    CertificateChoice, CertificateRecord, Municipality, Revocation, Simulator, SimulatorError,
    authority::Generation,
    calendar,
    certificate::{Extension, algorithm},
    der::{self, Der},
    keys::HashAlgorithm,
    names, oid, profile,
};

/// How revocation information is cut into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One list per municipality, empty ones too.
    Partitioned,
    /// One list per generation, without issuingDistributionPoint.
    Complete,
}

/// How to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicationOptions {
    /// The cut.
    pub layout: Layout,
    /// nextUpdate minus thisUpdate. Two days by default: lists come daily, and one day that is missed must not
    /// stop everyone.
    pub validity: Duration,
}

impl Default for PublicationOptions {
    fn default() -> Self {
        Self {
            layout: Layout::Partitioned,
            validity: Duration::days(2),
        }
    }
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCrl {
    /// Which CA signed it.
    pub choice: CertificateChoice,
    /// Which of its generations, from 1.
    pub generation: u32,
    /// The partition's name for URLs ([`Municipality::partition`]), `all` for a complete list.
    pub partition: String,
    /// The municipality; `None` for a complete list.
    pub municipality: Option<Municipality>,
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: DateTime<Utc>,
    /// nextUpdate.
    pub next_update: DateTime<Utc>,
    /// How many certificates it revokes.
    pub entries: usize,
    /// CertificateList, DER.
    pub der: Vec<u8>,
}

/// A day's lists: CA by CA, generation by generation, partition by partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// thisUpdate of all of them.
    pub at: DateTime<Utc>,
    /// The lists.
    pub crls: Vec<PublishedCrl>,
}

impl Publication {
    /// The number of the list of this generation and partition.
    fn number_of(&self, generation: &Generation, partition: Option<&str>) -> Option<u64> {
        let (choice, number) = (generation.record.choice, generation.record.generation);
        let partition = partition.unwrap_or("all");
        let lists = self.crls.iter();
        let mut same = lists.filter(|crl| {
            (crl.choice, crl.generation) == (choice, number) && crl.partition == partition
        });
        same.next().map(|crl| crl.number)
    }
}

impl Simulator {
    /// Publishes with the default options: a partition per municipality, valid two days.
    ///
    /// # Errors
    /// [`SimulatorError::Key`] if a CA's key does not sign.
    pub fn publish(&mut self, at: DateTime<Utc>) -> Result<Publication, SimulatorError> {
        self.publish_with(at, PublicationOptions::default())
    }

    /// Publishes every list of every generation whose root is in force at `at`, with what was revoked until then. All lists of
    /// a generation share one number, which the next publication raises by one.
    ///
    /// # Errors
    /// [`SimulatorError::Key`] if a CA's key does not sign.
    pub fn publish_with(
        &mut self,
        at: DateTime<Utc>,
        options: PublicationOptions,
    ) -> Result<Publication, SimulatorError> {
        self.publish_since(at, options, None)
    }

    /// Publishes delta lists (RFC 5280 5.2.4): what was revoked since `base`, with the numbers of its lists as BaseCRLNumber. They count
    /// on in the one sequence of numbers. The lists of `base` must have been cut in the same way.
    ///
    /// # Errors
    /// [`SimulatorError::Key`] if a CA's key does not sign.
    pub fn publish_delta(
        &mut self,
        at: DateTime<Utc>,
        options: PublicationOptions,
        base: &Publication,
    ) -> Result<Publication, SimulatorError> {
        self.publish_since(at, options, Some(base))
    }

    fn publish_since(
        &mut self,
        at: DateTime<Utc>,
        options: PublicationOptions,
        base: Option<&Publication>,
    ) -> Result<Publication, SimulatorError> {
        let at = calendar::whole_seconds(at);
        let mut crls = Vec::new();
        let mut published = Vec::new();
        let revoked = self.revoked_until(at);
        for generation in self.generations().filter(|one| one.is_in_force(at)) {
            let key = (generation.record.choice, generation.record.generation);
            let entries = revoked.get(&key).map_or(&[][..], Vec::as_slice);
            crls.extend(self.lists_of(generation, entries, at, options, base)?);
            published.push(key);
        }
        for (choice, number) in published {
            let generations = &mut self.authority_mut(choice).generations;
            if let Some(one) = generations
                .iter_mut()
                .find(|one| one.record.generation == number)
            {
                one.record.crl_number += 1;
                one.record.last_published = Some(at);
            }
            self.changed.generations.insert((choice, number));
        }
        Ok(Publication { at, crls })
    }

    /// Revoked certificates by CA generation, in the order of their serial numbers.
    fn revoked_until(
        &self,
        at: DateTime<Utc>,
    ) -> BTreeMap<(CertificateChoice, u32), Vec<(&CertificateRecord, Revocation)>> {
        let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for certificate in self.certificates.values() {
            if let Some(revocation) = certificate.revocation.filter(|one| one.at <= at) {
                out.entry((certificate.choice, certificate.generation))
                    .or_default()
                    .push((certificate, revocation));
            }
        }
        out
    }

    fn lists_of(
        &self,
        generation: &Generation,
        revoked: &[(&CertificateRecord, Revocation)],
        at: DateTime<Utc>,
        options: PublicationOptions,
        base: Option<&Publication>,
    ) -> Result<Vec<PublishedCrl>, SimulatorError> {
        // RFC 5280 3.3: an entry stays until it has stood on one list issued after the certificate's end.
        let last = generation.record.last_published;
        let listed =
            |certificate: &CertificateRecord| last.is_none_or(|last| last <= certificate.not_after);
        let partitions: Vec<Option<&Municipality>> = match options.layout {
            Layout::Partitioned => self.municipalities.iter().map(Some).collect(),
            Layout::Complete => vec![None],
        };
        let mut out = Vec::with_capacity(partitions.len());
        for municipality in partitions {
            let name = municipality.map(Municipality::partition);
            let entries: Vec<Der> = revoked
                .iter()
                .filter(|(certificate, _)| listed(certificate))
                .filter(|(_, revocation)| base.is_none_or(|base| base.at < revocation.at))
                .filter(|(certificate, _)| {
                    name.as_ref()
                        .is_none_or(|name| *name == certificate.partition)
                })
                .map(|(certificate, revocation)| entry(certificate.serial, *revocation))
                .collect();
            let number = generation.record.crl_number + 1;
            let next_update = at + options.validity;
            let started = base.and_then(|base| base.number_of(generation, name.as_deref()));
            let der = self.list(
                generation,
                municipality,
                &entries,
                (number, started),
                (at, next_update),
            )?;
            out.push(PublishedCrl {
                choice: generation.record.choice,
                generation: generation.record.generation,
                partition: name.unwrap_or_else(|| "all".to_owned()),
                municipality: municipality.cloned(),
                number,
                this_update: at,
                next_update,
                entries: entries.len(),
                der,
            });
        }
        Ok(out)
    }

    /// CertificateList (RFC 5280 5.1).
    fn list(
        &self,
        generation: &Generation,
        municipality: Option<&Municipality>,
        entries: &[Der],
        (number, base): (u64, Option<u64>),
        (this_update, next_update): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Der, SimulatorError> {
        let issuer = generation.issuer(self);
        let mut extensions = vec![
            issuer.authority_key_identifier(),
            Extension::plain(oid::CRL_NUMBER, der::integer(number)),
        ];
        if let Some(base) = base {
            let value = der::integer(base);
            extensions.push(Extension::critical(oid::DELTA_CRL_INDICATOR, value));
        }
        if let Some(municipality) = municipality {
            let name = names::distribution_point(issuer.hierarchy, issuer.choice, municipality);
            let value = der::sequence(&[profile::full_name(&name)]);
            extensions.push(Extension::critical(oid::ISSUING_DISTRIBUTION_POINT, value));
        }
        let extensions: Vec<Der> = extensions.iter().map(Extension::encoded).collect();
        let mut parts = vec![
            der::integer(1),
            algorithm(oid::SHA256_WITH_RSA),
            issuer.name(),
            der::time(this_update),
            der::time(next_update),
        ];
        if !entries.is_empty() {
            parts.push(der::sequence(entries));
        }
        parts.push(der::context(0, &[der::sequence(&extensions)]));
        let tbs = der::sequence(&parts);
        let signature = generation.key.sign(HashAlgorithm::Sha256, &tbs)?;
        Ok(der::sequence(&[
            tbs,
            algorithm(oid::SHA256_WITH_RSA),
            der::bit_string(0, &signature),
        ]))
    }
}

/// An entry of revokedCertificates. RFC 5280 5.3.1: no reasonCode rather than one that says unspecified.
fn entry(serial: u64, revocation: Revocation) -> Der {
    let mut parts = vec![der::integer(serial), der::time(revocation.at)];
    let code = revocation.reason.code();
    if code != 0 {
        let reason = Extension::plain(oid::REASON_CODE, der::enumerated(code));
        parts.push(der::sequence(&[reason.encoded()]));
    }
    der::sequence(&parts)
}
