//! Taking the state out as records and putting it back.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    CertificateChoice, KeyId, KeyRecord, Records, Simulator, SimulatorError, StateRecord,
    authority::{Authority, Generation},
    keys::SigningKey,
    simulator::{Changed, index},
};

impl Simulator {
    /// Everything, to be stored.
    #[must_use]
    pub fn export(&self) -> Records {
        Records {
            state: Some(self.state_record()),
            generations: self.generations().map(|one| one.record.clone()).collect(),
            keys: self.keys.values().map(|key| key.record()).collect(),
            persons: self.persons.values().cloned().collect(),
            certificates: self.certificates.values().cloned().collect(),
        }
    }

    /// What changed since the last call (or since genesis or [`Simulator::restore`]).
    pub fn take_changes(&mut self) -> Records {
        let changed = std::mem::take(&mut self.changed);
        Records {
            state: changed.state.then(|| self.state_record()),
            generations: self
                .generations()
                .filter(|one| {
                    changed
                        .generations
                        .contains(&(one.record.choice, one.record.generation))
                })
                .map(|one| one.record.clone())
                .collect(),
            keys: changed
                .keys
                .iter()
                .filter_map(|id| self.keys.get(id))
                .map(|key| key.record())
                .collect(),
            persons: changed
                .persons
                .iter()
                .filter_map(|id| self.persons.get(id))
                .cloned()
                .collect(),
            certificates: changed
                .certificates
                .iter()
                .filter_map(|key| self.certificates.get(key))
                .cloned()
                .collect(),
        }
    }

    /// The state that [`Simulator::export`] gave, or that its change sets add up to.
    ///
    /// # Errors
    /// [`SimulatorError::Inconsistent`] where a record names one that is missing.
    pub fn restore(records: Records) -> Result<Self, SimulatorError> {
        let state = records
            .state
            .ok_or(SimulatorError::Inconsistent("no state record"))?;
        let keys = records
            .keys
            .iter()
            .map(restored_key)
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let key_of = |id: &KeyId| {
            keys.get(id)
                .cloned()
                .ok_or(SimulatorError::Inconsistent("a key is missing"))
        };
        let mut generations = records.generations;
        generations.sort_by_key(|record| record.generation);
        let mut authorities = CertificateChoice::ALL.map(|choice| Authority {
            next_serial: match choice {
                CertificateChoice::Signature => state.next_signature_serial,
                CertificateChoice::Authentication => state.next_authentication_serial,
            },
            generations: Vec::new(),
        });
        for record in generations {
            let key = key_of(&record.key)?;
            let authority = &mut authorities[index(record.choice)];
            authority.generations.push(Generation { record, key });
        }
        let responder_key = key_of(&state.responder_key)?;
        let persons: BTreeMap<_, _> = records
            .persons
            .into_iter()
            .map(|one| (one.id, one))
            .collect();
        for certificate in &records.certificates {
            key_of(&certificate.key)?;
            if !persons.contains_key(&certificate.person) {
                return Err(SimulatorError::Inconsistent(
                    "a certificate's holder is missing",
                ));
            }
        }
        let certificates = records
            .certificates
            .into_iter()
            .map(|one| ((one.choice, one.serial), one))
            .collect();
        Ok(Self {
            hierarchy: state.hierarchy,
            ocsp_url: state.ocsp_url,
            municipalities: state.municipalities,
            authorities,
            responder_key,
            persons,
            certificates,
            keys,
            next_person: state.next_person,
            changed: Changed::default(),
        })
    }

    fn state_record(&self) -> StateRecord {
        StateRecord {
            hierarchy: self.hierarchy,
            ocsp_url: self.ocsp_url.clone(),
            municipalities: self.municipalities.clone(),
            next_signature_serial: self.authority(CertificateChoice::Signature).next_serial,
            next_authentication_serial: self
                .authority(CertificateChoice::Authentication)
                .next_serial,
            next_person: self.next_person,
            responder_key: self.responder_key.id().clone(),
        }
    }
}

fn restored_key(record: &KeyRecord) -> Result<(KeyId, Arc<SigningKey>), SimulatorError> {
    let key = SigningKey::from_record(record)?;
    if *key.id() != record.id {
        return Err(SimulatorError::Inconsistent("a key does not have its name"));
    }
    Ok((record.id.clone(), Arc::new(key)))
}
