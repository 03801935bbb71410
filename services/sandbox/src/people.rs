//! Making persons, one or many, and letting their cards sign.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};
use warikan_http::{Answer, Idempotency};
use warikan_simulator::{
    BirthDate, CertificateChoice, Content, HashAlgorithm, Municipality, Person, Precision, Sex,
};
use warikan_types::{Base64Bytes, Id, Reason};

use crate::{
    Sandbox,
    api::views::{CreatedPopulation, MemberView, PersonView},
    error::Error,
    named::{self, Making},
    state::{Holder, State},
};

/// More persons in one population are refused.
pub(crate) const LARGEST_POPULATION: usize = 5_000;
/// Characters in a name or an address.
const LONGEST_TEXT: usize = 200;
/// Keys drawn at most for one person: two for the card, and one to forge with.
const KEYS_FOR_ONE: usize = 3;
const KEYS_FOR_MANY: usize = 4;

/// What is known of a person to be made; the rest is made up.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) name: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) birth_date: Option<String>,
    pub(crate) sex: Option<Sex>,
    pub(crate) municipality: Option<String>,
    pub(crate) named: Option<Reason>,
}

impl Wanted {
    fn making(&self) -> Result<Making, Error> {
        let Some(reason) = self.named else {
            return Ok(Making::Sound);
        };
        named::making_of(reason)
            .map(|(_, making)| making)
            .ok_or_else(|| {
                Error::field(
                    "/named",
                    "not_shown_by_a_person",
                    "no card alone shows this reason; GET /sandbox/persons says how it is shown",
                )
            })
    }

    /// The person, with what is missing made up.
    fn person(
        self,
        making: Making,
        state: &State,
        rng: &mut dyn rand_core::RngCore,
    ) -> Result<Person, Error> {
        let known = state.simulator.municipalities();
        let inhabited = inhabited(state);
        let mut person = Person::synthetic(rng, &inhabited, state.now.utc());
        if let (Some(reason), None) = (self.named, &self.name)
            && let Some((name, _)) = named::making_of(reason)
        {
            person = named::person(name, making);
        }
        let place = match (&self.municipality, &self.address) {
            (Some(text), _) => Some(municipality(text, known)?),
            (None, Some(address)) => known
                .iter()
                .find(|one| one.contains(address))
                .or(inhabited.first()),
            (None, None) => None,
        };
        let place = place
            .cloned()
            .unwrap_or_else(|| person.municipality.clone());
        let address = match self.address {
            Some(address) => text("/address", address)?,
            None if self.municipality.is_some() => {
                format!("{}{}本町１－２－３", place.prefecture_ja, place.name_ja)
            }
            None => person.address,
        };
        let name = self
            .name
            .map_or(Ok(person.name), |name| text("/name", name))?;
        let birth_date = match &self.birth_date {
            Some(text) => birth_date(text, state)?,
            None => person.birth_date,
        };
        Ok(Person::new(
            &name,
            &address,
            birth_date,
            self.sex.unwrap_or(person.sex),
            place,
        ))
    }
}

fn text(pointer: &'static str, text: String) -> Result<String, Error> {
    if (1..=LONGEST_TEXT).contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(Error::field(
        pointer,
        "out_of_range",
        format!("1 to {LONGEST_TEXT} characters"),
    ))
}

pub(crate) fn municipality<'a>(
    text: &str,
    known: &'a [Municipality],
) -> Result<&'a Municipality, Error> {
    let found = known.iter().find(|one| {
        text == one.partition()
            || text == one.code
            || text.eq_ignore_ascii_case(&one.name)
            || text == one.name_ja
            || text.strip_prefix(one.prefecture_ja.as_str()) == Some(one.name_ja.as_str())
    });
    found.ok_or_else(|| {
        Error::field(
            "/municipality",
            "unknown_municipality",
            "not a municipality of the sandbox; GET /sandbox/municipalities names them",
        )
    })
}

/// `YYYY-MM-DD`, with `00` for a month or day that the register does not know.
fn birth_date(text: &str, state: &State) -> Result<BirthDate, Error> {
    let refused = || {
        Error::field(
            "/birth_date",
            "invalid_value",
            "a date such as 1980-02-17, not in the future; 00 for an unknown month or day",
        )
    };
    let well_formed = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return Err(refused());
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let precision = match (month, day) {
        (0, 0) => Precision::Year,
        (_, 0) => Precision::Month,
        _ => Precision::Day,
    };
    let date = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month.max(1), day.max(1)))
        .filter(|date| date.year() >= 1868 && *date <= state.now.utc().date_naive())
        .filter(|_| month != 0 || day == 0)
        .ok_or_else(refused)?;
    Ok(BirthDate {
        date,
        precision,
        era_known: true,
    })
}

pub(crate) fn birth_date_text(birth: &BirthDate) -> String {
    let mut out = format!("{:04}", birth.date.year());
    let month = if birth.precision == Precision::Year {
        0
    } else {
        birth.date.month()
    };
    let day = if birth.precision == Precision::Day {
        birth.date.day()
    } else {
        0
    };
    let _ = write!(out, "-{month:02}-{day:02}");
    out
}

impl Sandbox {
    /// Makes one person with a card.
    pub(crate) async fn create_person(
        &self,
        wanted: Wanted,
        once: &Idempotency,
    ) -> Result<Answer, Error> {
        let mut keys = self.keys(KEYS_FOR_ONE).await?;
        let mut rng = self.inner.on.entropy.rng();
        let real = self.inner.on.clock().now();
        let work = move |state: &mut State| {
            let reason = wanted.named;
            let making = wanted.making()?;
            let person = wanted.person(making, state, &mut rng)?;
            let now = state.now;
            let number = named::enroll(&mut state.simulator, person, making, &mut keys, now)?;
            let holder = state.admit(number, reason, false, real);
            Ok(PersonView::of(state, holder)?.into())
        };
        self.change(Some(once), work, |view| Answer::json(201, view))
            .await
    }

    /// Makes many persons whose cards share a few keys.
    pub(crate) async fn create_population(
        &self,
        size: usize,
        once: &Idempotency,
    ) -> Result<Answer, Error> {
        let mut keys = self.keys(KEYS_FOR_MANY).await?;
        let mut rng = self.inner.on.entropy.rng();
        let real = self.inner.on.clock().now();
        let work = move |state: &mut State| {
            let now = state.now.utc();
            let numbers = state.simulator.issue_population_in(
                &inhabited(state),
                size,
                &mut rng,
                &mut keys,
                now,
            )?;
            let mut persons = Vec::with_capacity(size);
            for number in numbers {
                let holder = state.admit(number, None, false, real);
                let card = state
                    .simulator
                    .card(number)
                    .ok_or(Error::Damaged("person"))?;
                let certificate = card.certificate(CertificateChoice::Signature);
                let certificate = certificate.ok_or(Error::Damaged("certificate"))?.to_vec();
                persons.push(MemberView {
                    id: holder.id,
                    certificate: Base64Bytes(certificate),
                });
            }
            Ok(CreatedPopulation {
                size,
                shared_keys: KEYS_FOR_MANY.min(size),
                persons,
            }
            .into())
        };
        self.change(Some(once), work, |view| Answer::json(201, view))
            .await
    }

    /// Lets a person's card sign; gives the certificate and the signature.
    pub(crate) async fn sign(
        &self,
        id: Id<warikan_types::Person>,
        choice: CertificateChoice,
        content: Content<'_>,
        hash: HashAlgorithm,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (holder, card): (Holder, _) = self
            .read(|state| {
                let holder = state.holder(id)?;
                Ok((
                    holder,
                    state
                        .simulator
                        .card(holder.number)
                        .ok_or(Error::Damaged("person"))?,
                ))
            })
            .await?;
        let mut signature = card.sign(choice, content, hash)?;
        if holder.demonstrates == Some(Reason::SignatureMismatch)
            && let Some(octet) = signature.get_mut(100)
        {
            *octet ^= 1;
        }
        let certificate = card
            .certificate(choice)
            .ok_or(Error::Damaged("certificate"))?;
        Ok((certificate.to_vec(), signature))
    }
}

/// Where people live: nobody lives where no list is published, unless asked to.
fn inhabited(state: &State) -> Vec<Municipality> {
    let unpublished = named::unpublished();
    let known = state.simulator.municipalities();
    known
        .iter()
        .filter(|one| **one != unpublished)
        .cloned()
        .collect()
}
