//! Letting life happen to a person.

use warikan_http::{Answer, Idempotency};
use warikan_simulator::LifeEvent;
use warikan_types::{Base64Bytes, Id, Person, Timestamp};

use crate::{
    Sandbox,
    api::views::{self, EventAnswer, EventName, IssuedView, PersonView, RevokedView},
    error::Error,
    people::municipality,
    state::State,
};

/// An event as it was asked for.
#[derive(Debug)]
pub(crate) struct Happening {
    pub(crate) name: EventName,
    /// The new address.
    pub(crate) address: Option<String>,
    /// The new name.
    pub(crate) new_name: Option<String>,
    /// Where the new address lies.
    pub(crate) municipality: Option<String>,
}

impl Happening {
    fn event(self, state: &State) -> Result<LifeEvent, Error> {
        let missing = |pointer| Error::field(pointer, "missing", "this event needs it");
        let foreign =
            |pointer| Error::field(pointer, "unknown_field", "this event does not take it");
        let moves = self.name == EventName::Move;
        if !moves && self.address.is_some() {
            return Err(foreign("/address"));
        }
        if !moves && self.municipality.is_some() {
            return Err(foreign("/municipality"));
        }
        if self.name != EventName::Rename && self.new_name.is_some() {
            return Err(foreign("/name"));
        }
        Ok(match self.name {
            EventName::Move => LifeEvent::Move {
                address: self
                    .address
                    .filter(|text| !text.is_empty())
                    .ok_or_else(|| missing("/address"))?,
                municipality: match self.municipality {
                    Some(text) => {
                        Some(municipality(&text, state.simulator.municipalities())?.clone())
                    }
                    None => None,
                },
            },
            EventName::Rename => LifeEvent::Rename {
                name: self
                    .new_name
                    .filter(|text| !text.is_empty())
                    .ok_or_else(|| missing("/name"))?,
            },
            EventName::Renew => LifeEvent::Renew,
            EventName::Lose => LifeEvent::Lose,
            EventName::Hold => LifeEvent::Hold,
            EventName::Die => LifeEvent::Die,
            EventName::Cancel => LifeEvent::Cancel,
            EventName::Discard => LifeEvent::Discard,
            EventName::Reissue => LifeEvent::Reissue,
        })
    }

    const fn keys(&self) -> usize {
        match self.name {
            EventName::Move | EventName::Rename => 1,
            EventName::Renew | EventName::Reissue => 2,
            _ => 0,
        }
    }
}

impl Sandbox {
    /// Carries out an event and tells what became of the person's certificates.
    pub(crate) async fn happen(
        &self,
        id: Id<Person>,
        happening: Happening,
        once: &Idempotency,
    ) -> Result<Answer, Error> {
        // Who does not exist costs no keys.
        self.read(|state| state.holder(id).map(|_| ())).await?;
        let mut keys = self.keys(happening.keys()).await?;
        let work = move |state: &mut State| {
            let holder = state.holder(id)?;
            let name = happening.name;
            let event = happening.event(state)?;
            let now = state.now.utc();
            let outcome = state
                .simulator
                .apply(holder.number, &event, &mut keys, now)?;
            let mut revoked = Vec::new();
            for one in &outcome.revoked {
                let record = state.simulator.certificate(one.choice, one.serial);
                revoked.push(RevokedView {
                    kind: views::kind(one.choice),
                    certificate: Base64Bytes(
                        record.map(|record| record.der.clone()).unwrap_or_default(),
                    ),
                    reason: views::reason(one.revocation.reason),
                    revoked_at: Timestamp::new(one.revocation.at),
                });
            }
            let issued = outcome
                .issued
                .into_iter()
                .map(|one| IssuedView {
                    kind: views::kind(one.choice),
                    certificate: Base64Bytes(one.certificate),
                    replaces: one
                        .replaces
                        .and_then(|serial| state.simulator.certificate(one.choice, serial))
                        .map(|old| Base64Bytes(old.der.clone())),
                })
                .collect();
            let person = PersonView::of(state, holder)?;
            Ok(EventAnswer {
                event: name,
                revoked,
                issued,
                person,
            }
            .into())
        };
        self.change(Some(once), work, |view| Answer::json(200, view))
            .await
    }
}
