//! What a campaign or a month will cost, before it is spent.
//!
//! An estimate is an invoice that nobody issues: the same rating over volumes that are supposed instead of counted. It is made
//! for every plan and, where the caller leaves the channel open, for each channel, so that the cheapest one that meets
//! the freshness asked for can be named. Shares of shared costs are not in it: they follow from what all tenants use.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, TenantScope, Yen};

use crate::{
    Billing,
    account::Account,
    calendar::{first_day, jst_date, last_day},
    error::BillingError,
    line::{Category, ChargedFor, Line},
    rate::{Terms, UsageGroup},
    spend::Bill,
    store::recipients,
    tax::TaxTotal,
    words::{Meter, Purpose},
};

/// More units than anybody has a use for: what a mistyped figure must not exceed.
pub(crate) const MOST_UNITS: i64 = 1_000_000_000_000;
/// Volumes in one estimate.
pub(crate) const MOST_VOLUMES: usize = 100;

/// What is to be estimated.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEstimate {
    /// The month in Japan whose tariff applies; the present one if absent.
    pub(crate) period: Option<BillingMonth>,
    /// What is going to be used in it.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) volumes: Vec<Volume>,
    /// A campaign in it: every certificate of a stock is checked.
    pub(crate) campaign: Option<Campaign>,
    /// How old the knowledge that a certificate is not revoked may be, in seconds. Decides which channels will do.
    pub(crate) max_age_seconds: Option<u64>,
    /// Only this plan; all plans that have prices in the month if absent.
    pub(crate) plan: Option<String>,
}

/// Uses of one sort.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EstimatedVolume)]
pub(crate) struct Volume {
    /// Why certificates are confirmed.
    pub(crate) purpose: Purpose,
    /// Kind of certificate: it must fit the purpose.
    pub(crate) kind: CertificateKind,
    /// How the status is learnt; each way in turn if absent.
    pub(crate) channel: Option<Channel>,
    /// How many, 1 to 10^12. Status checks by CRL count once per certificate and month: give the number of certificates.
    #[schema(minimum = 1, maximum = 1000000000000i64)]
    pub(crate) quantity: i64,
    /// The day in Japan whose tariff applies; the month's first if absent.
    pub(crate) day: Option<NaiveDate>,
}

/// Status checks (現況確認) of a stock of certificates.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EstimatedCampaign)]
pub(crate) struct Campaign {
    /// Kind of certificate.
    pub(crate) kind: CertificateKind,
    /// How many certificates.
    #[schema(minimum = 1, maximum = 1000000000000i64)]
    pub(crate) certificates: i64,
    /// How often each is checked in the month, 1 if absent. By CRL that makes no difference, by OCSP each call counts.
    #[schema(minimum = 1, maximum = 1000000000000i64)]
    pub(crate) times: Option<i64>,
}

/// What it would cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EstimateView {
    /// The month whose tariff applies.
    period: BillingMonth,
    /// The tenant's plan, where onboarding has told it.
    plan: Option<String>,
    /// The cheapest of the options that can be priced and meet `max_age_seconds`; `null` where none does.
    cheapest: Option<Choice>,
    /// Every plan and channel, the cheapest first, those without a price last.
    options: Vec<OptionView>,
}

/// A plan and a channel.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EstimatedChoice)]
pub(crate) struct Choice {
    /// The plan.
    plan: String,
    /// The channel, where the request left it open.
    channel: Option<Channel>,
    /// With tax.
    total: Yen,
}

/// One way to do it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EstimateOption)]
pub(crate) struct OptionView {
    /// The plan.
    plan: String,
    /// The channel, where the request left it open.
    channel: Option<Channel>,
    /// How old the knowledge is at most, in seconds, over all that is used.
    age_seconds: u64,
    /// Whether that is as fresh as `max_age_seconds` asks.
    fresh_enough: bool,
    /// The invoice's lines: base fee, uses, minimum, J-LIS fees. Shares of shared costs are not among them.
    lines: Vec<EstimatedLine>,
    /// Without tax; `null` where it cannot be priced, as are the next two.
    subtotal: Option<Yen>,
    /// Tax.
    tax: Option<Yen>,
    /// With tax.
    total: Option<Yen>,
    /// Per rate, rounded once.
    tax_totals: Vec<TaxTotal>,
    /// Why it cannot be priced: the tariff row that is missing, or an amount too large.
    unpriced: Option<String>,
}

/// A line of an estimate, as an invoice would show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EstimatedLine {
    description_ja: String,
    description_en: String,
    category: Category,
    charged_for: ChargedFor,
    purpose: Option<Purpose>,
    kind: Option<CertificateKind>,
    channel: Option<Channel>,
    quantity: i64,
    unit_price: Yen,
    amount: Yen,
    tax_rate_percent: u8,
}

impl From<&Line> for EstimatedLine {
    fn from(line: &Line) -> Self {
        Self {
            description_ja: line.description_ja(),
            description_en: line.description_en(),
            category: line.category,
            charged_for: line.charged_for,
            purpose: line.counted.map(|counted| counted.purpose),
            kind: line.counted.map(|counted| counted.kind),
            channel: line.counted.and_then(|counted| counted.channel),
            quantity: line.quantity,
            unit_price: line.unit_price,
            amount: line.amount,
            tax_rate_percent: line.tax_rate_percent,
        }
    }
}

impl NewEstimate {
    /// Where it cannot be meant: the pointer of the field, a word and what to do.
    pub(crate) fn fault(
        &self,
        period: BillingMonth,
    ) -> Option<(String, &'static str, &'static str)> {
        if self.volumes.is_empty() && self.campaign.is_none() {
            let what = "say what is used: `volumes`, a `campaign`, or both";
            return Some(("/volumes".to_owned(), "missing", what));
        }
        if self.volumes.len() > MOST_VOLUMES {
            return Some(("/volumes".to_owned(), "too_long", "at most 100 volumes"));
        }
        let units = "1 to 1000000000000";
        for (place, volume) in self.volumes.iter().enumerate() {
            let at = |field: &str| format!("/volumes/{place}/{field}");
            if !(1..=MOST_UNITS).contains(&volume.quantity) {
                return Some((at("quantity"), "out_of_range", units));
            }
            if !volume.purpose.fits(volume.kind) {
                let what = "a certificate of this kind is not used for this purpose";
                return Some((at("kind"), "invalid_value", what));
            }
            let days = first_day(period)..=last_day(period);
            if volume.day.is_some_and(|day| !days.contains(&day)) {
                return Some((at("day"), "out_of_range", "a day of the period"));
            }
        }
        let campaign = self.campaign?;
        let calls = campaign
            .certificates
            .checked_mul(campaign.times.unwrap_or(1));
        let held = |number: i64| (1..=MOST_UNITS).contains(&number);
        if !held(campaign.certificates) {
            return Some(("/campaign/certificates".to_owned(), "out_of_range", units));
        }
        (campaign.times.is_some_and(|times| times < 1) || !calls.is_some_and(held))
            .then(|| ("/campaign/times".to_owned(), "out_of_range", units))
    }

    /// The channels to compare: `None` where every volume names its own.
    fn channels(&self) -> Vec<Option<Channel>> {
        let open = self.campaign.is_some() || self.volumes.iter().any(|one| one.channel.is_none());
        if open {
            vec![Some(Channel::Crl), Some(Channel::Ocsp)]
        } else {
            vec![None]
        }
    }

    /// The uses, as rating takes them.
    fn groups(&self, period: BillingMonth, otherwise: Option<Channel>) -> Vec<UsageGroup> {
        let first = first_day(period);
        let volume = |volume: &Volume| {
            let channel = volume.channel.or(otherwise);
            let by_list = volume.purpose == Purpose::StatusCheck && channel == Some(Channel::Crl);
            UsageGroup {
                month: period,
                // What counts once a month has no day of its own.
                priced_on: volume.day.filter(|_| !by_list).unwrap_or(first),
                meter: match volume.purpose {
                    Purpose::StatusCheck => Meter::StatusCheck,
                    Purpose::SignatureVerification | Purpose::Authentication => Meter::Verification,
                },
                purpose: volume.purpose,
                kind: volume.kind,
                channel,
                quantity: volume.quantity,
            }
        };
        let campaign = self.campaign.map(|campaign| UsageGroup {
            month: period,
            priced_on: first,
            meter: Meter::StatusCheck,
            purpose: Purpose::StatusCheck,
            kind: campaign.kind,
            channel: otherwise,
            quantity: match otherwise {
                Some(Channel::Ocsp) => campaign
                    .certificates
                    .saturating_mul(campaign.times.unwrap_or(1)),
                _ => campaign.certificates,
            },
        });
        self.volumes.iter().map(volume).chain(campaign).collect()
    }
}

impl Billing {
    /// The month an estimate is for.
    pub(crate) fn estimated_period(&self, new: &NewEstimate) -> BillingMonth {
        new.period
            .unwrap_or_else(|| BillingMonth::of(self.0.platform.clock().now()))
    }

    pub(crate) async fn estimate(
        &self,
        scope: TenantScope,
        new: &NewEstimate,
    ) -> Result<EstimateView, BillingError> {
        let period = self.estimated_period(new);
        let recipient = {
            let db = self.0.db.begin_read(scope).await?;
            recipients::find(&db, scope.tenant()).await?
        };
        let today = jst_date(self.0.platform.clock().now());
        let own = recipient
            .and_then(|recipient| recipient.account.plan_on(today).map(|one| one.plan.clone()));
        let plans: BTreeSet<&str> = match &new.plan {
            Some(plan) => BTreeSet::from([plan.as_str()]),
            None => self.0.tariff.plans(first_day(period)),
        };
        let mut options = Vec::new();
        for plan in plans {
            for channel in new.channels() {
                options.push(self.option(new, period, plan, channel));
            }
        }
        // What has no price comes last; where prices are equal, the fresher and then the tenant's own plan first.
        options.sort_by_key(|option| {
            let other_plan = own.as_deref() != Some(option.plan.as_str());
            (
                option.total.is_none(),
                option.total,
                option.age_seconds,
                other_plan,
            )
        });
        let cheapest = options
            .iter()
            .filter(|option| option.fresh_enough)
            .find_map(|option| {
                Some(Choice {
                    plan: option.plan.clone(),
                    channel: option.channel,
                    total: option.total?,
                })
            });
        Ok(EstimateView {
            period,
            plan: own,
            cheapest,
            options,
        })
    }

    fn option(
        &self,
        new: &NewEstimate,
        period: BillingMonth,
        plan: &str,
        channel: Option<Channel>,
    ) -> OptionView {
        let groups = new.groups(period, channel);
        let age = |group: &UsageGroup| match group.channel {
            Some(Channel::Ocsp) => 0,
            _ => self.0.config.list_age_seconds,
        };
        let age_seconds = groups.iter().map(age).max().unwrap_or(0);
        let account = Account::supposed(plan, period);
        let terms = Terms {
            tariff: &self.0.tariff,
            account: &account,
            taxes: self.taxes(),
        };
        let billed = terms.bill_of(period, &groups, self.0.config.tax_rounding);
        let mut option = OptionView {
            plan: plan.to_owned(),
            channel,
            age_seconds,
            fresh_enough: new.max_age_seconds.is_none_or(|most| age_seconds <= most),
            lines: Vec::new(),
            subtotal: None,
            tax: None,
            total: None,
            tax_totals: Vec::new(),
            unpriced: None,
        };
        match billed {
            Ok(Bill { lines, totals }) => {
                option.lines = lines.iter().map(EstimatedLine::from).collect();
                option.subtotal = Some(totals.subtotal);
                option.tax = Some(totals.tax);
                option.total = Some(totals.total);
                option.tax_totals = totals.by_rate;
            }
            Err(error) => option.unpriced = Some(error.to_string()),
        }
        option
    }
}

#[cfg(test)]
mod tests;
