//! Tariffs as dated data.
//!
//! A price is looked up by what it is for and by the day in Japan. Rows of one key follow each other: a later row ends
//! the one before, and a row may name the day on which it ends by itself. Where no row holds, there is **no price**,
//! not a price of zero: [`MissingTariff`] names the row that an operator has to enter.
//!
//! The rows come from the table compiled in (`tariff.toml`) and from the configuration on top. A configured row may
//! follow a compiled one but not replace it: what was charged once can be looked up for ever.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::Deserialize;
use warikan_contracts::facts::Channel;
use warikan_types::{CertificateKind, Yen};

use crate::{tax::TaxCategory, words::Purpose};

/// The rows that every installation starts with.
const STARTING_ROWS: &str = include_str!("../tariff.toml");

/// Rows as they are written down.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TariffRows {
    /// J-LIS fees per confirmation.
    pub jlis_fees: Vec<JlisFeeRow>,
    /// The operator's own prices.
    pub plans: Vec<PlanRow>,
    /// Standard rates of consumption tax.
    pub consumption_tax: Vec<TaxRow>,
}

/// A fee of J-LIS (失効情報提供手数料), for every kind and purpose that it names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JlisFeeRow {
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// The first day on which it no longer holds; until a later row if absent.
    #[serde(default)]
    pub valid_until: Option<NaiveDate>,
    /// How the status was learnt.
    pub channel: Channel,
    /// For certificates of these kinds.
    pub kinds: Vec<CertificateKind>,
    /// For these purposes.
    pub purposes: Vec<Purpose>,
    /// Yen per confirmation, without tax.
    pub unit_price: Yen,
    /// The price that the fee list names, where it is waived.
    #[serde(default)]
    pub list_price: Option<Yen>,
}

/// The operator's prices under one plan, in yen without tax.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRow {
    /// The plan's name, as onboarding knows it.
    pub plan: String,
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// The first day on which it no longer holds; until a later row if absent.
    #[serde(default)]
    pub valid_until: Option<NaiveDate>,
    /// Per month.
    pub base_fee: Yen,
    /// Per billed verification of a signature.
    pub signature_verification: Yen,
    /// Per billed verification of an authentication.
    pub authentication: Yen,
    /// Per billed status check.
    pub status_check: Yen,
}

/// The standard rate of consumption tax.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRow {
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// National and local tax together.
    pub percent: u8,
}

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
    /// A price is below zero, or a row ends before it begins.
    #[error(
        "the tariff row for {what} from {valid_from} has a negative price or ends before it begins"
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

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    JlisFee(Channel, CertificateKind, Purpose),
    BaseFee(String),
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
            Self::Use(plan, purpose) => format!("{} under plan {plan}", purpose.as_str()),
            Self::StandardTax => "consumption tax".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    until: Option<NaiveDate>,
    unit: Yen,
    list: Option<Yen>,
}

/// All rows, by key and first day.
#[derive(Debug, Clone, Default)]
pub struct Tariff(HashMap<Key, BTreeMap<NaiveDate, Held>>);

impl Tariff {
    /// The starting rows and `configured` ones.
    ///
    /// # Errors
    /// [`TariffError`]: contradicting or impossible rows.
    pub fn load(configured: &TariffRows) -> Result<Self, TariffError> {
        let mut tariff = Self::default();
        tariff.add(&toml::from_str(STARTING_ROWS)?)?;
        tariff.add(configured)?;
        Ok(tariff)
    }

    fn add(&mut self, rows: &TariffRows) -> Result<(), TariffError> {
        for row in &rows.jlis_fees {
            for kind in &row.kinds {
                for purpose in &row.purposes {
                    let held = Held {
                        until: row.valid_until,
                        unit: row.unit_price,
                        list: row.list_price,
                    };
                    let key = Key::JlisFee(row.channel, *kind, *purpose);
                    self.insert(key, row.valid_from, held)?;
                }
            }
        }
        for row in &rows.plans {
            let held = |unit| Held {
                until: row.valid_until,
                unit,
                list: None,
            };
            let uses = [
                (Purpose::SignatureVerification, row.signature_verification),
                (Purpose::Authentication, row.authentication),
                (Purpose::StatusCheck, row.status_check),
            ];
            for (purpose, unit) in uses {
                let key = Key::Use(row.plan.clone(), purpose);
                self.insert(key, row.valid_from, held(unit))?;
            }
            let key = Key::BaseFee(row.plan.clone());
            self.insert(key, row.valid_from, held(row.base_fee))?;
        }
        for row in &rows.consumption_tax {
            let held = Held {
                until: None,
                unit: Yen(i64::from(row.percent)),
                list: None,
            };
            self.insert(Key::StandardTax, row.valid_from, held)?;
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, valid_from: NaiveDate, held: Held) -> Result<(), TariffError> {
        let what = key.describe();
        let prices_stand = [Some(held.unit), held.list]
            .into_iter()
            .flatten()
            .all(|price| price >= Yen::ZERO);
        if !prices_stand || held.until.is_some_and(|until| until <= valid_from) {
            return Err(TariffError::Row { what, valid_from });
        }
        match self.0.entry(key).or_default().insert(valid_from, held) {
            None => Ok(()),
            Some(_) => Err(TariffError::Twice { what, valid_from }),
        }
    }

    /// The row in force: the last to have begun, unless it has ended.
    fn at(&self, key: &Key, on: NaiveDate) -> Result<Price, MissingTariff> {
        self.0
            .get(key)
            .and_then(|rows| rows.range(..=on).next_back())
            .filter(|(_, held)| held.until.is_none_or(|until| on < until))
            .map(|(valid_from, held)| Price {
                valid_from: *valid_from,
                unit: held.unit,
                list: held.list,
            })
            .ok_or_else(|| MissingTariff {
                what: key.describe(),
                on,
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

    /// What the operator takes for one use.
    ///
    /// # Errors
    /// No row holds.
    pub fn per_use(
        &self,
        plan: &str,
        purpose: Purpose,
        on: NaiveDate,
    ) -> Result<Price, MissingTariff> {
        self.at(&Key::Use(plan.to_owned(), purpose), on)
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
