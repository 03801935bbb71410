//! Issuing: a person is enrolled, and a certificate is made for a key.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    CertificateChoice, CertificateRecord, Defect, KeySource, Person, PersonId, PersonRecord,
    Simulator, SimulatorError, calendar, keys::SigningKey, profile,
};

/// The age from which a signature certificate is issued.
const SIGNATURE_AGE: i32 = 15;

impl Simulator {
    /// Hands a person a card with an authentication certificate and, from the age of 15, a signature certificate, both valid
    /// from `at` (which may lie in the past or the future) to the fifth birthday after it.
    ///
    /// # Errors
    /// [`SimulatorError::BadMunicipality`], [`SimulatorError::NoAuthority`], [`SimulatorError::Key`].
    pub fn enroll(
        &mut self,
        person: Person,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<PersonId, SimulatorError> {
        let choices: Vec<_> = CertificateChoice::ALL
            .into_iter()
            .filter(|choice| may_hold(&person, *choice, at))
            .collect();
        let plan = self.draw_keys(&choices, keys)?;
        let id = self.add_person(person)?;
        for (choice, key) in plan {
            self.issue(id, choice, &key, at)?;
        }
        Ok(id)
    }

    /// Hands a person a card on which one certificate is wrong in one chosen way and the other one, if the age allows, is sound.
    ///
    /// # Errors
    /// As [`Simulator::enroll`]; [`SimulatorError::TooYoung`] for a signature certificate below the age of 15.
    pub fn enroll_defective(
        &mut self,
        person: Person,
        choice: CertificateChoice,
        defect: Defect,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<PersonId, SimulatorError> {
        if !may_hold(&person, choice, at) {
            return Err(SimulatorError::TooYoung);
        }
        let other = CertificateChoice::ALL
            .into_iter()
            .find(|one| *one != choice);
        let other: Vec<_> = other
            .filter(|one| may_hold(&person, *one, at))
            .into_iter()
            .collect();
        let sound = self.draw_keys(&other, keys)?;
        let key = match defect.fixed_key()? {
            Some(key) => Arc::new(key),
            None => self.draw_key(keys)?,
        };
        let forger = if defect.is_forgery() {
            Some(self.draw_forger(keys, &key)?)
        } else {
            None
        };
        let id = self.add_person(person)?;
        for (choice, key) in sound {
            self.issue(id, choice, &key, at)?;
        }
        self.issue_defective(id, choice, &key, forger.as_deref(), defect, at)?;
        Ok(id)
    }

    /// A key to forge with: not the holder's, or the forgery would look self-signed.
    fn draw_forger(
        &self,
        keys: &mut KeySource,
        holder: &SigningKey,
    ) -> Result<Arc<SigningKey>, SimulatorError> {
        let first = self.draw_key(keys)?;
        if first.id() != holder.id() {
            return Ok(first);
        }
        Ok(self.draw_key(keys)?)
    }

    /// A key for each certificate, before anything changes: a failure must leave no half-done event behind.
    pub(crate) fn draw_keys(
        &self,
        choices: &[CertificateChoice],
        keys: &mut KeySource,
    ) -> Result<Vec<(CertificateChoice, Arc<SigningKey>)>, SimulatorError> {
        choices
            .iter()
            .map(|choice| Ok((*choice, self.draw_key(keys)?)))
            .collect()
    }

    pub(crate) fn add_person(&mut self, person: Person) -> Result<PersonId, SimulatorError> {
        self.add_municipality(person.municipality.clone())?;
        let id = PersonId(self.next_person);
        self.next_person += 1;
        let record = PersonRecord {
            id,
            person,
            signature: None,
            authentication: None,
            deceased: false,
        };
        self.persons.insert(id, record);
        self.changed.state = true;
        self.changed.persons.insert(id);
        Ok(id)
    }

    /// Issues a certificate for a key and puts it on the person's card; returns its serial number.
    pub(crate) fn issue(
        &mut self,
        id: PersonId,
        choice: CertificateChoice,
        key: &Arc<SigningKey>,
        at: DateTime<Utc>,
    ) -> Result<u64, SimulatorError> {
        let person = self
            .person(id)
            .ok_or(SimulatorError::UnknownPerson)?
            .person
            .clone();
        let generation = self
            .authority(choice)
            .issuing(at)
            .ok_or(SimulatorError::NoAuthority(choice))?;
        let (number, ca_key) = (generation.record.generation, Arc::clone(&generation.key));
        let issuer = generation.issuer(self);
        let serial = self.authority_mut(choice).take_serial();
        let template = profile::leaf(&issuer, &person, serial, calendar::whole_seconds(at), key);
        let der = template.signed(&ca_key)?;
        let record = CertificateRecord {
            choice,
            generation: number,
            serial,
            person: id,
            partition: person.municipality.partition(),
            not_before: template.not_before,
            not_after: template.not_after,
            key: key.id().clone(),
            der,
            revocation: None,
            replaces: None,
            replaced_by: None,
            defect: None,
        };
        self.put_on_card(id, record, key);
        Ok(serial)
    }

    fn issue_defective(
        &mut self,
        id: PersonId,
        choice: CertificateChoice,
        key: &Arc<SigningKey>,
        forger: Option<&SigningKey>,
        defect: Defect,
        at: DateTime<Utc>,
    ) -> Result<(), SimulatorError> {
        let start = calendar::whole_seconds(defect.issued_at(at));
        let person = self
            .person(id)
            .ok_or(SimulatorError::UnknownPerson)?
            .person
            .clone();
        let generation = self
            .authority(choice)
            .issuing(start)
            .ok_or(SimulatorError::NoAuthority(choice))?;
        let (number, ca_key) = (generation.record.generation, Arc::clone(&generation.key));
        let issuer = generation.issuer(self);
        let serial = self.authority_mut(choice).take_serial();
        let mut template = profile::leaf(&issuer, &person, serial, start, key);
        defect.apply(&mut template, &issuer, &person, forger);
        let der = template.signed(forger.unwrap_or(&ca_key))?;
        let record = CertificateRecord {
            choice,
            generation: if defect.is_off_the_books() { 0 } else { number },
            serial,
            person: id,
            partition: person.municipality.partition(),
            not_before: template.not_before,
            not_after: template.not_after,
            key: key.id().clone(),
            der: defect.spoil(der),
            revocation: None,
            replaces: None,
            replaced_by: None,
            defect: Some(defect),
        };
        self.put_on_card(id, record, key);
        Ok(())
    }

    fn put_on_card(&mut self, id: PersonId, record: CertificateRecord, key: &Arc<SigningKey>) {
        self.keep_key(key);
        let place = (record.choice, record.serial);
        if let Some(holder) = self.persons.get_mut(&id) {
            holder.set_serial(record.choice, record.serial);
        }
        self.certificates.insert(place, record);
        self.changed.state = true;
        self.changed.persons.insert(id);
        self.changed.certificates.insert(place);
    }
}

/// Whether a person of this age may hold the certificate.
pub(crate) fn may_hold(person: &Person, choice: CertificateChoice, at: DateTime<Utc>) -> bool {
    choice == CertificateChoice::Authentication
        || calendar::age(person.birth_date.date, at) >= SIGNATURE_AGE
}
