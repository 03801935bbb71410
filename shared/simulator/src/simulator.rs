//! The agency as a whole: its making, its state, and looking things up in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use crate::{
    Card, CertificateChoice, CertificateRecord, GenerationRecord, Hierarchy, KeyError, KeyId,
    KeySource, Municipality, PersonId, PersonRecord, TEST_OCSP_URL,
    authority::{Authority, Generation},
    calendar,
    card::Slot,
    keys::SigningKey,
    profile::{self, Issuer},
};

/// What a new simulator is made of.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Which hierarchy it stands in for.
    pub hierarchy: Hierarchy,
    /// The municipalities it knows from the start.
    pub municipalities: Vec<Municipality>,
    /// The OCSP address on authentication certificates.
    pub ocsp_url: String,
}

impl Genesis {
    /// The usual: [`Municipality::defaults`] and the OCSP address of real test cards.
    #[must_use]
    pub fn of(hierarchy: Hierarchy) -> Self {
        Self {
            hierarchy,
            municipalities: Municipality::defaults(),
            ocsp_url: TEST_OCSP_URL.to_owned(),
        }
    }
}

/// Why the agency does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulatorError {
    /// A key could not be had or used.
    #[error("a key could not be used")]
    Key(#[from] KeyError),
    /// No generation of the CA is in force at the time.
    #[error("no generation of the {} CA is in force then", .0.as_str())]
    NoAuthority(CertificateChoice),
    /// No such person.
    #[error("no such person")]
    UnknownPerson,
    /// The dead have no events.
    #[error("the person is dead")]
    Deceased,
    /// The event needs a certificate that is in force, and none is.
    #[error("no certificate of the person is in force")]
    NoLiveCertificate,
    /// Signature certificates are issued from the age of 15.
    #[error("no signature certificate is issued below the age of 15")]
    TooYoung,
    /// A municipality with a malformed code or romanisation, or whose list another one already has.
    #[error("the municipality cannot be used")]
    BadMunicipality,
    /// Records that do not fit together.
    #[error("the records are inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// A trust anchor of the simulated hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Which CA.
    pub choice: CertificateChoice,
    /// From 1.
    pub generation: u32,
    /// The self-signed certificate, DER.
    pub der: Vec<u8>,
    /// notBefore.
    pub not_before: DateTime<Utc>,
    /// notAfter.
    pub not_after: DateTime<Utc>,
}

/// The stand-in for J-LIS. See the crate's documentation.
pub struct Simulator {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) ocsp_url: String,
    pub(crate) municipalities: Vec<Municipality>,
    pub(crate) authorities: [Authority; 2],
    pub(crate) responder_key: Arc<SigningKey>,
    pub(crate) persons: BTreeMap<PersonId, PersonRecord>,
    pub(crate) certificates: BTreeMap<(CertificateChoice, u64), CertificateRecord>,
    pub(crate) keys: BTreeMap<KeyId, Arc<SigningKey>>,
    pub(crate) next_person: u64,
    pub(crate) changed: Changed,
}

/// What was touched since the last [`Simulator::take_changes`].
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) state: bool,
    pub(crate) generations: BTreeSet<(CertificateChoice, u32)>,
    pub(crate) keys: BTreeSet<KeyId>,
    pub(crate) persons: BTreeSet<PersonId>,
    pub(crate) certificates: BTreeSet<(CertificateChoice, u64)>,
}

impl Simulator {
    /// Two CAs with two generations each: the first began six years before `at` and the second two years before, so that both
    /// are in force and certificates issued "in the past" come from the older one.
    ///
    /// # Errors
    /// A municipality that cannot be used; a pool with fewer than five keys.
    pub fn genesis(
        genesis: Genesis,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<Self, SimulatorError> {
        let mut drawn: Vec<Arc<SigningKey>> = Vec::new();
        for _ in 0..5 {
            let key = keys.draw(|id| drawn.iter().any(|known| known.id() == id))?;
            drawn.push(key);
        }
        let responder_key = drawn.remove(4);
        let mut simulator = Self {
            hierarchy: genesis.hierarchy,
            ocsp_url: genesis.ocsp_url,
            municipalities: Vec::new(),
            authorities: [(); 2].map(|()| Authority {
                next_serial: 1,
                generations: Vec::new(),
            }),
            responder_key: Arc::clone(&responder_key),
            persons: BTreeMap::new(),
            certificates: BTreeMap::new(),
            keys: BTreeMap::new(),
            next_person: 1,
            changed: Changed::default(),
        };
        simulator.keep_key(&responder_key);
        for municipality in genesis.municipalities {
            simulator.add_municipality(municipality)?;
        }
        let mut drawn = drawn.into_iter();
        for years in [6, 2] {
            let start = calendar::years_before(calendar::whole_seconds(at), years);
            for choice in CertificateChoice::ALL {
                let key = drawn.next().ok_or(KeyError::PoolTooSmall)?;
                simulator.add_generation(choice, &key, start)?;
            }
        }
        Ok(simulator)
    }

    /// Gives a CA a new generation with the same name and another key, in force from `at` for ten years.
    ///
    /// # Errors
    /// No key left that is not already a CA's.
    pub fn roll_over(
        &mut self,
        choice: CertificateChoice,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<u32, SimulatorError> {
        let key = self.draw_key(keys)?;
        self.add_generation(choice, &key, calendar::whole_seconds(at))
    }

    fn add_generation(
        &mut self,
        choice: CertificateChoice,
        key: &Arc<SigningKey>,
        start: DateTime<Utc>,
    ) -> Result<u32, SimulatorError> {
        let (hierarchy, ocsp_url) = (self.hierarchy, self.ocsp_url.clone());
        let responder_key = Arc::clone(&self.responder_key);
        let authority = self.authority_mut(choice);
        let (serial, responder_serial) = (authority.take_serial(), authority.take_serial());
        let root = profile::root(hierarchy, choice, serial, start, key);
        let issuer = Issuer {
            hierarchy,
            choice,
            key_identifier: key.key_identifier(),
            root_serial: serial,
            ocsp_url,
        };
        let life = (root.not_before, root.not_after);
        let responder = profile::responder(&issuer, responder_serial, life, &responder_key);
        let number = u32::try_from(authority.generations.len() + 1).unwrap_or(u32::MAX);
        let record = GenerationRecord {
            choice,
            generation: number,
            serial,
            not_before: life.0,
            not_after: life.1,
            key: key.id().clone(),
            root: root.signed(key)?,
            responder: responder.signed(key)?,
            crl_number: 0,
            last_published: None,
        };
        authority.generations.push(Generation {
            record,
            key: Arc::clone(key),
        });
        self.keep_key(key);
        self.changed.state = true;
        self.changed.generations.insert((choice, number));
        Ok(number)
    }

    /// Makes a municipality known: from the next publication on it has its revocation lists. Adding the same again changes nothing.
    ///
    /// # Errors
    /// [`SimulatorError::BadMunicipality`].
    pub fn add_municipality(&mut self, municipality: Municipality) -> Result<(), SimulatorError> {
        if self.municipalities.contains(&municipality) {
            return Ok(());
        }
        let partition = municipality.partition();
        let taken = self
            .municipalities
            .iter()
            .any(|known| known.partition() == partition);
        if taken || !municipality.is_well_formed() {
            return Err(SimulatorError::BadMunicipality);
        }
        self.municipalities.push(municipality);
        self.changed.state = true;
        Ok(())
    }

    /// Which hierarchy it stands in for.
    #[must_use]
    pub fn hierarchy(&self) -> Hierarchy {
        self.hierarchy
    }

    /// The known municipalities.
    #[must_use]
    pub fn municipalities(&self) -> &[Municipality] {
        &self.municipalities
    }

    /// All roots of both CAs, expired ones too: old evidence needs them.
    #[must_use]
    pub fn roots(&self) -> Vec<Root> {
        let generations = self
            .authorities
            .iter()
            .flat_map(|one| one.generations.iter());
        generations
            .map(|one| Root {
                choice: one.record.choice,
                generation: one.record.generation,
                der: one.root().clone(),
                not_before: one.record.not_before,
                not_after: one.record.not_after,
            })
            .collect()
    }

    /// A person.
    #[must_use]
    pub fn person(&self, id: PersonId) -> Option<&PersonRecord> {
        self.persons.get(&id)
    }

    /// All persons, oldest first.
    pub fn persons(&self) -> impl Iterator<Item = &PersonRecord> {
        self.persons.values()
    }

    /// The person's card as it is now.
    #[must_use]
    pub fn card(&self, id: PersonId) -> Option<Card> {
        let record = self.persons.get(&id)?;
        let slot = |choice| {
            let certificate = self.certificate(choice, record.serial(choice)?)?;
            let key = Arc::clone(self.keys.get(&certificate.key)?);
            Some(Slot {
                key,
                certificate: certificate.der.clone(),
            })
        };
        Some(Card {
            signature: slot(CertificateChoice::Signature),
            authentication: slot(CertificateChoice::Authentication),
        })
    }

    /// A certificate by its CA and serial number.
    #[must_use]
    pub fn certificate(
        &self,
        choice: CertificateChoice,
        serial: u64,
    ) -> Option<&CertificateRecord> {
        self.certificates.get(&(choice, serial))
    }

    /// Every certificate the person ever had, signature certificates first, oldest first.
    pub fn certificates_of(&self, id: PersonId) -> impl Iterator<Item = &CertificateRecord> {
        self.certificates
            .values()
            .filter(move |one| one.person == id)
    }

    /// The certificate that took the place of another (old-to-new link, 公的個人認証法18条4項).
    #[must_use]
    pub fn successor(&self, choice: CertificateChoice, serial: u64) -> Option<&CertificateRecord> {
        self.certificate(choice, self.certificate(choice, serial)?.replaced_by?)
    }

    pub(crate) fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.authorities
            .iter()
            .flat_map(|one| one.generations.iter())
    }

    pub(crate) fn authority(&self, choice: CertificateChoice) -> &Authority {
        &self.authorities[index(choice)]
    }

    pub(crate) fn authority_mut(&mut self, choice: CertificateChoice) -> &mut Authority {
        &mut self.authorities[index(choice)]
    }

    /// A key that no CA and no responder has.
    pub(crate) fn draw_key(&self, keys: &mut KeySource) -> Result<Arc<SigningKey>, KeyError> {
        keys.draw(|id| {
            self.responder_key.id() == id || self.generations().any(|one| one.key.id() == id)
        })
    }

    pub(crate) fn keep_key(&mut self, key: &Arc<SigningKey>) {
        if !self.keys.contains_key(key.id()) {
            self.keys.insert(key.id().clone(), Arc::clone(key));
            self.changed.keys.insert(key.id().clone());
        }
    }
}

pub(crate) fn index(choice: CertificateChoice) -> usize {
    match choice {
        CertificateChoice::Signature => 0,
        CertificateChoice::Authentication => 1,
    }
}
