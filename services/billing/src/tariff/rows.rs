//! Tariff rows as they are written down, in `tariff.toml`, in the configuration, and in exports.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{CertificateKind, Yen};

use crate::words::Purpose;

/// Rows as they are written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TariffRows {
    /// J-LIS fees per confirmation.
    pub jlis_fees: Vec<JlisFeeRow>,
    /// The operator's own prices.
    pub plans: Vec<PlanRow>,
    /// Standard rates of consumption tax.
    pub consumption_tax: Vec<TaxRow>,
    /// By which key shared costs are split (割り勘).
    pub sharing_keys: Vec<SharingKeyRow>,
}

/// A fee of J-LIS (失効情報提供手数料), for every kind and purpose that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JlisFeeRow {
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// The first day on which it no longer holds; until a later row if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_price: Option<Yen>,
}

/// The operator's prices under one plan, in yen without tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRow {
    /// The plan's name, as onboarding knows it.
    pub plan: String,
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// The first day on which it no longer holds; until a later row if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<NaiveDate>,
    /// Per month.
    pub base_fee: Yen,
    /// The least that a month's uses come to (最低利用料金); the difference is charged on a line of its own. Zero for none.
    #[serde(default)]
    pub minimum: Yen,
    /// Per billed verification of a signature.
    pub signature_verification: UsePrice,
    /// Per billed verification of an authentication.
    pub authentication: UsePrice,
    /// Per billed status check.
    pub status_check: UsePrice,
}

/// The price of a use: one for all, or one that falls with the number of uses in the month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum UsePrice {
    /// Yen per use.
    Flat(Yen),
    /// By the use's place among those of its purpose in the calendar month.
    Graduated(GraduatedPrice),
}

/// A price that depends on how many uses of the purpose came before it in the calendar month (in Japan).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GraduatedPrice {
    /// So many uses a month are included in the base fee.
    #[serde(default)]
    pub included: i64,
    /// Yen for each use beyond them.
    pub price: Yen,
    /// Lower (or higher) prices from some number on. Each holds for the uses above it only (段階制), not for all.
    #[serde(default)]
    pub tiers: Vec<TierRow>,
}

/// One step of a graduated price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TierRow {
    /// It holds for the uses after this many in the month, included ones counted.
    pub above: i64,
    /// Yen for each of them.
    pub price: Yen,
}

/// The standard rate of consumption tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxRow {
    /// The first day on which it holds.
    pub valid_from: NaiveDate,
    /// National and local tax together.
    pub percent: u8,
}

/// The key by which shared costs are split among the tenants that were active in the month: one part equally, the other by
/// their billed units. Only the proportion of the two numbers counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SharingKeyRow {
    /// The first day on which it holds; the row of the month's first day decides.
    pub valid_from: NaiveDate,
    /// Weight of the part that is split equally.
    pub equal: u32,
    /// Weight of the part that is split by billed units.
    pub usage: u32,
}
