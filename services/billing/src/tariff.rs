//! Tariffs as dated data.
//!
//! A price is looked up by what it is for and by the day in Japan. Rows of one key follow each other: a later row ends
//! the one before, and a row may name the day on which it ends by itself. Where no row holds, there is **no price**,
//! not a price of zero: [`MissingTariff`] names the row that an operator has to enter.
//!
//! The rows come from the table compiled in (`tariff.toml`) and from the configuration on top. A configured row may
//! follow a compiled one but not replace it: what was charged once can be looked up for ever.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{CertificateKind, Yen};

pub use rows::{
    GraduatedPrice, JlisFeeRow, PlanRow, SharingKeyRow, TariffRows, TaxRow, TierRow, UsePrice,
};

use crate::{tax::TaxCategory, words::Purpose};

/// The rows that every installation starts with.
const STARTING_ROWS: &str = include_str!("../tariff.toml");

/// The rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TariffError {
    /// They are not of the form.
    #[error("the tariff is not readable: {0}")]
    Form(#[from] toml::de::Error),
    /// Two rows of one key begin on one day.
    #[error("two tariff rows for {what} begin on {valid_from}")]
    Twice {
        /// Their key.
        what: String,
        /// Their first day.
        valid_from: NaiveDate,
    },
    /// A price is below zero, a row ends before it begins, tiers do not ascend, or a sharing key has no weight.
    #[error(
        "the tariff row for {what} from {valid_from} cannot be: a negative price, an end before the beginning, \
         tiers that do not ascend, or no weight"
    )]
    Row {
        /// Its key.
        what: String,
        /// Its first day.
        valid_from: NaiveDate,
    },
}

/// No row holds: nothing can be priced until an operator enters one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no tariff row for {what} holds on {on}; enter one in the configuration `billing.tariff`")]
pub struct MissingTariff {
    /// What has no price, such as `J-LIS fee ocsp/card_signature/status_check`.
    pub what: String,
    /// On which day in Japan.
    pub on: NaiveDate,
}

/// A price and the row that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The row's first day.
    pub valid_from: NaiveDate,
    /// Yen per unit, without tax.
    pub unit: Yen,
    /// What the fee list names, where that is more.
    pub list: Option<Yen>,
}

/// The prices of a use and the row that they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps<'a> {
    /// The row's first day.
    pub valid_from: NaiveDate,
    /// By ascending number of uses; the first is above zero.
    steps: &'a [Step],
}

/// From the use after `above` on, each costs `unit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    above: i64,
    unit: Yen,
}

/// What one stretch of uses costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The step's place in its row.
    pub step: usize,
    /// Yen per use.
    pub unit: Yen,
    /// How many uses from the position asked for on have this price.
    pub room: i64,
}

impl Steps<'_> {
    /// The price of the use that comes after `before` others of its purpose in the month.
    #[must_use]
    pub fn after(&self, before: i64) -> Stretch {
        let step = self
            .steps
            .partition_point(|step| step.above <= before)
            .saturating_sub(1);
        let end = self.steps.get(step + 1).map_or(i64::MAX, |next| next.above);
        Stretch {
            step,
            unit: self.steps[step].unit,
            room: end.saturating_sub(before),
        }
    }
}

/// The weights of a sharing key in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharingKey {
    /// The row's first day.
    pub valid_from: NaiveDate,
    /// Weight of the part that is split equally.
    pub equal: u32,
    /// Weight of the part that is split by billed units.
    pub usage: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    JlisFee(Channel, CertificateKind, Purpose),
    BaseFee(String),
    Minimum(String),
    Use(String, Purpose),
    StandardTax,
}

impl Key {
    fn describe(&self) -> String {
        match self {
            Self::JlisFee(channel, kind, purpose) => {
                let (channel, kind) = (channel.as_str(), kind.as_str());
                format!("J-LIS fee {channel}/{kind}/{}", purpose.as_str())
            }
            Self::BaseFee(plan) => format!("base fee of plan {plan}"),
            Self::Minimum(plan) => format!("minimum of plan {plan}"),
            Self::Use(plan, purpose) => format!("{} under plan {plan}", purpose.as_str()),
            Self::StandardTax => "consumption tax".to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
struct Held {
    until: Option<NaiveDate>,
    /// Never empty.
    steps: Vec<Step>,
    list: Option<Yen>,
}

/// All rows, by key and first day.
#[derive(Debug, Clone, Default)]
pub struct Tariff {
    held: HashMap<Key, BTreeMap<NaiveDate, Held>>,
    rows: TariffRows,
}

/// One price for all uses.
fn flat(unit: Yen) -> Vec<Step> {
    vec![Step { above: 0, unit }]
}

/// A price as steps; `None` where they do not ascend.
fn steps(price: &UsePrice) -> Option<Vec<Step>> {
    let graduated = match price {
        UsePrice::Flat(unit) => return Some(flat(*unit)),
        UsePrice::Graduated(graduated) => graduated,
    };
    let mut steps = Vec::new();
    if graduated.included != 0 {
        steps.push(Step {
            above: 0,
            unit: Yen::ZERO,
        });
    }
    steps.push(Step {
        above: graduated.included,
        unit: graduated.price,
    });
    steps.extend(graduated.tiers.iter().map(|tier| Step {
        above: tier.above,
        unit: tier.price,
    }));
    steps
        .is_sorted_by(|one, next| one.above < next.above)
        .then_some(steps)
}

impl Tariff {
    /// The starting rows and `configured` ones.
    ///
    /// # Errors
    /// [`TariffError`]: contradicting or impossible rows.
    pub fn load(configured: &TariffRows) -> Result<Self, TariffError> {
        let mut rows: TariffRows = toml::from_str(STARTING_ROWS)?;
        rows.jlis_fees.extend_from_slice(&configured.jlis_fees);
        rows.plans.extend_from_slice(&configured.plans);
        rows.consumption_tax
            .extend_from_slice(&configured.consumption_tax);
        rows.sharing_keys
            .extend_from_slice(&configured.sharing_keys);
        Self::of(rows)
    }

    /// Exactly these rows: an export's.
    ///
    /// # Errors
    /// [`TariffError`]: contradicting or impossible rows.
    pub fn of(rows: TariffRows) -> Result<Self, TariffError> {
        let mut tariff = Self::default();
        tariff.add(&rows)?;
        tariff.rows = rows;
        Ok(tariff)
    }

    /// The rows it was made of.
    #[must_use]
    pub const fn rows(&self) -> &TariffRows {
        &self.rows
    }

    fn add(&mut self, rows: &TariffRows) -> Result<(), TariffError> {
        for row in &rows.jlis_fees {
            for kind in &row.kinds {
                for purpose in &row.purposes {
                    let held = Held {
                        until: row.valid_until,
                        steps: flat(row.unit_price),
                        list: row.list_price,
                    };
                    let key = Key::JlisFee(row.channel, *kind, *purpose);
                    self.insert(key, row.valid_from, held)?;
                }
            }
        }
        for row in &rows.plans {
            self.add_plan(row)?;
        }
        for row in &rows.consumption_tax {
            let held = Held {
                until: None,
                steps: flat(Yen(i64::from(row.percent))),
                list: None,
            };
            self.insert(Key::StandardTax, row.valid_from, held)?;
        }
        let mut keys: Vec<_> = rows.sharing_keys.iter().map(|row| row.valid_from).collect();
        keys.sort_unstable();
        for row in &rows.sharing_keys {
            let what = "the sharing of costs".to_owned();
            let valid_from = row.valid_from;
            if row.equal == 0 && row.usage == 0 {
                return Err(TariffError::Row { what, valid_from });
            }
            if keys.iter().filter(|day| **day == valid_from).count() > 1 {
                return Err(TariffError::Twice { what, valid_from });
            }
        }
        Ok(())
    }

    fn add_plan(&mut self, row: &PlanRow) -> Result<(), TariffError> {
        let uses = [
            (Purpose::SignatureVerification, &row.signature_verification),
            (Purpose::Authentication, &row.authentication),
            (Purpose::StatusCheck, &row.status_check),
        ];
        let held = |steps| Held {
            until: row.valid_until,
            steps,
            list: None,
        };
        for (purpose, price) in uses {
            let key = Key::Use(row.plan.clone(), purpose);
            let steps = steps(price).ok_or_else(|| TariffError::Row {
                what: key.describe(),
                valid_from: row.valid_from,
            })?;
            self.insert(key, row.valid_from, held(steps))?;
        }
        let once = [
            (Key::BaseFee(row.plan.clone()), row.base_fee),
            (Key::Minimum(row.plan.clone()), row.minimum),
        ];
        for (key, unit) in once {
            self.insert(key, row.valid_from, held(flat(unit)))?;
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, valid_from: NaiveDate, held: Held) -> Result<(), TariffError> {
        let what = key.describe();
        let prices_stand = held
            .steps
            .iter()
            .map(|step| step.unit)
            .chain(held.list)
            .all(|price| price >= Yen::ZERO)
            && held.steps[0].above == 0;
        if !prices_stand || held.until.is_some_and(|until| until <= valid_from) {
            return Err(TariffError::Row { what, valid_from });
        }
        match self.held.entry(key).or_default().insert(valid_from, held) {
            None => Ok(()),
            Some(_) => Err(TariffError::Twice { what, valid_from }),
        }
    }

    /// The row in force: the last to have begun, unless it has ended.
    fn row(&self, key: &Key, on: NaiveDate) -> Result<(NaiveDate, &Held), MissingTariff> {
        self.held
            .get(key)
            .and_then(|rows| rows.range(..=on).next_back())
            .filter(|(_, held)| held.until.is_none_or(|until| on < until))
            .map(|(valid_from, held)| (*valid_from, held))
            .ok_or_else(|| MissingTariff {
                what: key.describe(),
                on,
            })
    }

    fn at(&self, key: &Key, on: NaiveDate) -> Result<Price, MissingTariff> {
        let (valid_from, held) = self.row(key, on)?;
        Ok(Price {
            valid_from,
            unit: held.steps[0].unit,
            list: held.list,
        })
    }

    /// What J-LIS takes for one confirmation.
    ///
    /// # Errors
    /// No row holds.
    pub fn jlis_fee(
        &self,
        channel: Channel,
        kind: CertificateKind,
        purpose: Purpose,
        on: NaiveDate,
    ) -> Result<Price, MissingTariff> {
        self.at(&Key::JlisFee(channel, kind, purpose), on)
    }

    /// What the operator takes for uses.
    ///
    /// # Errors
    /// No row holds.
    pub fn per_use(
        &self,
        plan: &str,
        purpose: Purpose,
        on: NaiveDate,
    ) -> Result<Steps<'_>, MissingTariff> {
        let (valid_from, held) = self.row(&Key::Use(plan.to_owned(), purpose), on)?;
        Ok(Steps {
            valid_from,
            steps: &held.steps,
        })
    }

    /// The least that a month's uses come to; zero for none.
    ///
    /// # Errors
    /// No row holds.
    pub fn minimum(&self, plan: &str, on: NaiveDate) -> Result<Price, MissingTariff> {
        self.at(&Key::Minimum(plan.to_owned()), on)
    }

    /// The key by which the shared costs of a month that begins `on` are split.
    ///
    /// # Errors
    /// No row holds.
    pub fn sharing_key(&self, on: NaiveDate) -> Result<SharingKey, MissingTariff> {
        self.rows
            .sharing_keys
            .iter()
            .filter(|row| row.valid_from <= on)
            .max_by_key(|row| row.valid_from)
            .map(|row| SharingKey {
                valid_from: row.valid_from,
                equal: row.equal,
                usage: row.usage,
            })
            .ok_or_else(|| MissingTariff {
                what: "the sharing of costs".to_owned(),
                on,
            })
    }

    /// The plans that have prices on a day.
    pub fn plans(&self, on: NaiveDate) -> BTreeSet<&str> {
        self.rows
            .plans
            .iter()
            .map(|row| row.plan.as_str())
            .filter(|plan| self.base_fee(plan, on).is_ok())
            .collect()
    }

    /// What the operator takes per month.
    ///
    /// # Errors
    /// No row holds.
    pub fn base_fee(&self, plan: &str, on: NaiveDate) -> Result<Price, MissingTariff> {
        self.at(&Key::BaseFee(plan.to_owned()), on)
    }

    /// The rate of consumption tax, in percent.
    ///
    /// # Errors
    /// No row holds.
    pub fn tax_percent(&self, category: TaxCategory, on: NaiveDate) -> Result<u8, MissingTariff> {
        match category {
            TaxCategory::OutOfScope => Ok(0),
            TaxCategory::Standard => {
                let rate = self.at(&Key::StandardTax, on)?;
                Ok(u8::try_from(rate.unit.0).expect("rates are read as u8"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
