//! A line of an invoice.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, Yen};

use crate::{
    calendar::month_ja,
    share::Share,
    tax::TaxCategory,
    words::{Meter, Purpose},
};

/// What kind of charge a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The plan's monthly base fee.
    PlatformBase,
    /// The operator's charge for uses.
    PlatformUsage,
    /// What is missing to the plan's monthly minimum.
    MinimumCharge,
    /// A J-LIS fee, passed through without margin.
    JlisFee,
    /// A share of the costs of the certified system (割り勘).
    SharedCost,
    /// The operator's charge or a J-LIS fee for uses in a month that was already closed when they became known, or what
    /// they change in that month's minimum.
    Adjustment,
}

impl Category {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformBase => "platform_base",
            Self::PlatformUsage => "platform_usage",
            Self::MinimumCharge => "minimum_charge",
            Self::JlisFee => "jlis_fee",
            Self::SharedCost => "shared_cost",
            Self::Adjustment => "adjustment",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [
            Self::PlatformBase,
            Self::PlatformUsage,
            Self::MinimumCharge,
            Self::JlisFee,
            Self::SharedCost,
            Self::Adjustment,
        ]
        .into_iter()
        .find(|one| one.as_str() == word)
    }
}

/// Whose price a line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargedFor {
    /// The platform operator.
    Operator,
    /// J-LIS.
    Jlis,
    /// All tenants together: what the certified system costs.
    SharedCosts,
}

impl ChargedFor {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Jlis => "jlis",
            Self::SharedCosts => "shared_costs",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Operator, Self::Jlis, Self::SharedCosts]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// The uses a line counts. Lines without uses (base fees) have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) meter: Meter,
    pub(crate) purpose: Purpose,
    pub(crate) kind: CertificateKind,
    pub(crate) channel: Option<Channel>,
    /// The days whose tariff applied, first and last.
    pub(crate) days: (NaiveDate, NaiveDate),
    /// Where a graduated price splits uses of one sort over several lines: how many of them, by day and order of recording,
    /// stand on the lines before.
    pub(crate) skip: i64,
}

/// A line of another invoice, of which something is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credited {
    pub(crate) n: u32,
    pub(crate) description_ja: String,
    pub(crate) description_en: String,
}

/// A line before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) category: Category,
    pub(crate) charged_for: ChargedFor,
    /// The month in which the uses were accepted, or that the base fee is for.
    pub(crate) service_month: BillingMonth,
    /// The plan whose price it is.
    pub(crate) plan: Option<String>,
    pub(crate) counted: Option<Counted>,
    pub(crate) share: Option<Share>,
    /// On credit notes: the line that it takes back.
    pub(crate) credits: Option<Credited>,
    pub(crate) quantity: i64,
    pub(crate) unit_price: Yen,
    pub(crate) list_price: Option<Yen>,
    pub(crate) amount: Yen,
    pub(crate) tax_category: TaxCategory,
    pub(crate) tax_rate_percent: u8,
}

impl Line {
    /// In Japanese, as the invoice shows it.
    pub(crate) fn description_ja(&self) -> String {
        let month = month_ja(self.service_month);
        if let Some(credited) = &self.credits {
            return format!("{}の返還", credited.description_ja);
        }
        if let Some(share) = self.share {
            return share.description_ja(&month);
        }
        let Some(counted) = self.counted else {
            let plan = self.plan.as_deref().unwrap_or_default();
            return match self.category {
                Category::MinimumCharge => format!("最低利用料金との差額（プラン {plan}）{month}"),
                Category::Adjustment => {
                    format!("最低利用料金との差額（プラン {plan}）{month}の調整")
                }
                _ => format!("基本料金（プラン {plan}）{month}"),
            };
        };
        let what = match counted.purpose {
            Purpose::SignatureVerification => "署名検証",
            Purpose::Authentication => "利用者証明検証",
            Purpose::StatusCheck => "現況確認",
        };
        let kind = match counted.kind {
            CertificateKind::CardSignature => "署名用電子証明書",
            CertificateKind::CardAuthentication => "利用者証明用電子証明書",
            CertificateKind::PhoneSignature => "移動端末設備用署名用電子証明書",
            CertificateKind::PhoneAuthentication => "移動端末設備用利用者証明用電子証明書",
        };
        let channel = match counted.channel {
            Some(Channel::Crl) => "・失効情報ファイル",
            Some(Channel::Ocsp) => "・OCSP",
            None => "",
        };
        let charge = match self.charged_for {
            ChargedFor::Operator | ChargedFor::SharedCosts => "利用料",
            ChargedFor::Jlis => "失効情報提供手数料（J-LIS）",
        };
        let adjusted = if self.category == Category::Adjustment {
            "の調整"
        } else {
            ""
        };
        format!("{what} {charge}（{kind}{channel}）{month}{adjusted}")
    }

    /// In English.
    pub(crate) fn description_en(&self) -> String {
        let month = self.service_month;
        if let Some(credited) = &self.credits {
            return format!("Credit: {}", credited.description_en);
        }
        if let Some(share) = self.share {
            return share.description_en(month);
        }
        let adjusted = if self.category == Category::Adjustment {
            " (adjustment)"
        } else {
            ""
        };
        let Some(counted) = self.counted else {
            let plan = self.plan.as_deref().unwrap_or_default();
            let what = match self.category {
                Category::PlatformBase => "Base fee",
                _ => "Difference to the minimum",
            };
            return format!("{what}, plan {plan}, {month}{adjusted}");
        };
        let what = match counted.purpose {
            Purpose::SignatureVerification => "Signature verification",
            Purpose::Authentication => "Authentication",
            Purpose::StatusCheck => "Status check",
        };
        let channel = match counted.channel {
            Some(Channel::Crl) => ", revocation list",
            Some(Channel::Ocsp) => ", OCSP",
            None => "",
        };
        let charge = match self.charged_for {
            ChargedFor::Operator | ChargedFor::SharedCosts => "usage",
            ChargedFor::Jlis => "J-LIS fee",
        };
        let kind = counted.kind.as_str().replace('_', " ");
        format!("{what}, {charge} ({kind} certificate{channel}), {month}{adjusted}")
    }
}
