//! A life, as far as the register notices it: each event revokes with its own reason, and some issue anew.
//!
//! | event | signature certificate | authentication certificate | new |
//! |---|---|---|---|
//! | move, rename | affiliationChanged | survives | signature |
//! | renew | superseded | superseded | both |
//! | lose | keyCompromise | keyCompromise | |
//! | hold | certificateHold | certificateHold | |
//! | die, cancel | cessationOfOperation | cessationOfOperation | |
//! | discard | unspecified | unspecified | |
//! | reissue | (superseded if in force) | (superseded if in force) | both |
//!
//! A death is told with the same reason as a card given back, because J-LIS's revocation information has no word for it: who
//! reads cessationOfOperation as a death is wrong in most cases. A hold is never lifted; a later loss or death turns
//! it into their reason and keeps its date.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CertificateChoice, KeySource, Municipality, Person, PersonId, Revocation, RevocationReason,
    Simulator, SimulatorError, calendar, issue::may_hold, person::no_substitutions,
};

/// Something that happens to a person or a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeEvent {
    /// Moves house.
    Move {
        /// The new address.
        address: String,
        /// Where it lies. If absent, the known municipality whose name the address begins with, or else the one the person
        /// is registered in already.
        municipality: Option<Municipality>,
    },
    /// Takes another name.
    Rename {
        /// The new name, U+3000 between family and given name.
        name: String,
    },
    /// Has the certificates renewed.
    Renew,
    /// Reports the card lost.
    Lose,
    /// Has the certificates held.
    Hold,
    /// Dies.
    Die,
    /// Gives the certificates back: no longer needed.
    Cancel,
    /// The card is discarded before it was delivered.
    Discard,
    /// Gets a new card.
    Reissue,
}

/// A certificate that an event revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Which of the two.
    pub choice: CertificateChoice,
    /// Its serial number.
    pub serial: u64,
    /// When and why.
    pub revocation: Revocation,
}

/// A certificate that an event issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Which of the two.
    pub choice: CertificateChoice,
    /// Its serial number.
    pub serial: u64,
    /// The serial number of the one whose place it takes.
    pub replaces: Option<u64>,
    /// DER.
    pub certificate: Vec<u8>,
}

/// What an event did to the person's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventOutcome {
    /// Revoked, with the same reason each.
    pub revoked: Vec<RevokedCertificate>,
    /// Issued.
    pub issued: Vec<IssuedCertificate>,
}

impl LifeEvent {
    const fn reason(&self) -> RevocationReason {
        match self {
            Self::Move { .. } | Self::Rename { .. } => RevocationReason::AffiliationChanged,
            Self::Renew | Self::Reissue => RevocationReason::Superseded,
            Self::Lose => RevocationReason::KeyCompromise,
            Self::Hold => RevocationReason::CertificateHold,
            Self::Die | Self::Cancel => RevocationReason::CessationOfOperation,
            Self::Discard => RevocationReason::Unspecified,
        }
    }

    const fn concerns(&self, choice: CertificateChoice) -> bool {
        // The authentication certificate carries none of the attributes and so survives their change.
        !(matches!(self, Self::Move { .. } | Self::Rename { .. })
            && matches!(choice, CertificateChoice::Authentication))
    }
}

/// What is to be done with one certificate.
struct Step {
    choice: CertificateChoice,
    current: Option<u64>,
    revoke: bool,
    issue: bool,
}

impl Simulator {
    /// Lets an event happen to a person at `at`: revokes with the event's reason, issues what the event issues, links old to new.
    ///
    /// # Errors
    /// [`SimulatorError::UnknownPerson`], [`SimulatorError::Deceased`], and [`SimulatorError::NoLiveCertificate`] for an event about the
    /// certificates themselves when none is left to be revoked or replaced. Nothing has changed then.
    pub fn apply(
        &mut self,
        id: PersonId,
        event: &LifeEvent,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<EventOutcome, SimulatorError> {
        let record = self.person(id).ok_or(SimulatorError::UnknownPerson)?;
        if record.deceased {
            return Err(SimulatorError::Deceased);
        }
        let changed = self.changed_person(&record.person, event);
        let steps: Vec<Step> = CertificateChoice::ALL
            .into_iter()
            .filter(|choice| event.concerns(*choice))
            .map(|choice| self.step(id, &changed, choice, event, at))
            .collect();
        let idle = steps.iter().all(|step| !step.revoke && !step.issue);
        let about_certificates = !matches!(
            event,
            LifeEvent::Move { .. } | LifeEvent::Rename { .. } | LifeEvent::Die
        );
        if idle && about_certificates {
            return Err(SimulatorError::NoLiveCertificate);
        }
        let new: Vec<_> = steps
            .iter()
            .filter(|step| step.issue)
            .map(|step| step.choice)
            .collect();
        for choice in &new {
            self.authority(*choice)
                .issuing(at)
                .ok_or(SimulatorError::NoAuthority(*choice))?;
        }
        let mut drawn = self.draw_keys(&new, keys)?.into_iter();
        self.add_municipality(changed.municipality.clone())?;
        self.replace_person(id, changed, matches!(event, LifeEvent::Die));

        let mut outcome = EventOutcome::default();
        for step in steps {
            if let (true, Some(serial)) = (step.revoke, step.current) {
                outcome
                    .revoked
                    .extend(self.revoke(step.choice, serial, event.reason(), at));
            }
            if step.issue
                && let Some((choice, key)) = drawn.next()
            {
                let serial = self.issue(id, choice, &key, at)?;
                self.link(choice, step.current, serial);
                let certificate = self.certificate(choice, serial).map(|one| one.der.clone());
                outcome.issued.push(IssuedCertificate {
                    choice,
                    serial,
                    replaces: step.current,
                    certificate: certificate.unwrap_or_default(),
                });
            }
        }
        Ok(outcome)
    }

    fn changed_person(&self, person: &Person, event: &LifeEvent) -> Person {
        let mut changed = person.clone();
        match event {
            LifeEvent::Move {
                address,
                municipality,
            } => {
                changed.address.clone_from(address);
                changed.address_substitutions = no_substitutions(address);
                let found = || self.municipalities.iter().find(|one| one.contains(address));
                if let Some(there) = municipality.as_ref().or_else(found) {
                    changed.municipality = there.clone();
                }
            }
            LifeEvent::Rename { name } => {
                changed.name.clone_from(name);
                changed.name_substitutions = no_substitutions(name);
            }
            _ => {}
        }
        changed
    }

    fn step(
        &self,
        id: PersonId,
        changed: &Person,
        choice: CertificateChoice,
        event: &LifeEvent,
        at: DateTime<Utc>,
    ) -> Step {
        let current = self.person(id).and_then(|record| record.serial(choice));
        let certificate = current.and_then(|serial| self.certificate(choice, serial));
        let live = certificate.is_some_and(|one| one.is_live(at));
        let held = certificate.is_some_and(|one| {
            one.revocation
                .is_some_and(|is| is.reason == RevocationReason::CertificateHold)
        });
        let revoked = certificate.is_some_and(|one| one.revocation.is_some());
        let issue = match event {
            // A new signature certificate takes the place of one in force; a held or expired one is not brought back by moving.
            LifeEvent::Move { .. } | LifeEvent::Rename { .. } => live,
            LifeEvent::Renew => !revoked,
            LifeEvent::Reissue => true,
            _ => false,
        };
        let turns_hold = matches!(event, LifeEvent::Lose | LifeEvent::Die);
        Step {
            choice,
            current,
            revoke: live || (held && turns_hold),
            issue: issue && may_hold(changed, choice, at),
        }
    }

    fn replace_person(&mut self, id: PersonId, person: Person, died: bool) {
        if let Some(record) = self.persons.get_mut(&id) {
            record.person = person;
            record.deceased |= died;
            self.changed.persons.insert(id);
        }
    }

    fn revoke(
        &mut self,
        choice: CertificateChoice,
        serial: u64,
        reason: RevocationReason,
        at: DateTime<Utc>,
    ) -> Option<RevokedCertificate> {
        let certificate = self.certificates.get_mut(&(choice, serial))?;
        let at = certificate
            .revocation
            .map_or(calendar::whole_seconds(at), |held| held.at);
        let revocation = Revocation { at, reason };
        certificate.revocation = Some(revocation);
        self.changed.certificates.insert((choice, serial));
        Some(RevokedCertificate {
            choice,
            serial,
            revocation,
        })
    }

    fn link(&mut self, choice: CertificateChoice, old: Option<u64>, new: u64) {
        let Some(old) = old else { return };
        if let Some(certificate) = self.certificates.get_mut(&(choice, old)) {
            certificate.replaced_by = Some(new);
        }
        if let Some(certificate) = self.certificates.get_mut(&(choice, new)) {
            certificate.replaces = Some(old);
        }
        self.changed
            .certificates
            .extend([(choice, old), (choice, new)]);
    }
}
