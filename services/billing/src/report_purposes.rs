//! How many confirmations were made for whom and why: what the ministers and J-LIS may ask the operator for.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, MoneyError, TenantId};

use crate::{
    Billing,
    error::BillingError,
    report_usage::MonthState,
    store::{recipients, usage},
    words::Purpose,
};

/// Confirmations in production in a month, by tenant and purpose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurposeCounts {
    /// The month in Japan, by the time at which operations were accepted.
    pub(crate) period: BillingMonth,
    /// Until the month is closed, counts may still grow.
    pub(crate) state: MonthState,
    /// One row for each tenant, purpose, kind and channel that occurred.
    pub(crate) data: Vec<PurposeCount>,
}

/// How often one tenant's certificates of a kind were confirmed for a purpose, by a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurposeCount {
    pub(crate) tenant: TenantId,
    /// Its name as invoices carry it; `null` until it has been told.
    pub(crate) name: Option<String>,
    /// `null` where the certificate's kind could not be told, and so no purpose.
    pub(crate) purpose: Option<Purpose>,
    pub(crate) kind: Option<CertificateKind>,
    pub(crate) channel: Option<Channel>,
    /// Operations, whether they are billed or not.
    pub(crate) count: i64,
}

type Sort = (
    TenantId,
    Option<Purpose>,
    Option<CertificateKind>,
    Option<&'static str>,
);

impl Billing {
    pub(crate) async fn purpose_counts(
        &self,
        period: BillingMonth,
    ) -> Result<PurposeCounts, BillingError> {
        let db = self.0.db.worker();
        let names = recipients::all(db).await?;
        let mut rows: BTreeMap<Sort, PurposeCount> = BTreeMap::new();
        for (tenant, counted) in usage::accepted_by_tenant(db, period).await? {
            let channel = counted.channel.map(Channel::as_str);
            let sort = (tenant, counted.purpose, counted.kind, channel);
            let row = rows.entry(sort).or_insert_with(|| PurposeCount {
                tenant,
                name: names.get(&tenant).map(|known| known.name.clone()),
                purpose: counted.purpose,
                kind: counted.kind,
                channel: counted.channel,
                count: 0,
            });
            row.count = row
                .count
                .checked_add(counted.quantity)
                .ok_or(BillingError::Money(MoneyError))?;
        }
        Ok(PurposeCounts {
            period,
            state: self.month_state(period).await?,
            data: rows.into_values().collect(),
        })
    }
}

impl PurposeCounts {
    /// The same as a table.
    pub(crate) fn csv(&self) -> String {
        let mut table =
            warikan_http::csv::line(["tenant", "name", "purpose", "kind", "channel", "count"]);
        for row in &self.data {
            table.push_str(&warikan_http::csv::line([
                row.tenant.to_string().as_str(),
                row.name.as_deref().unwrap_or_default(),
                row.purpose.map_or("", Purpose::as_str),
                row.kind.map_or("", CertificateKind::as_str),
                row.channel.map_or("", Channel::as_str),
                &row.count.to_string(),
            ]));
        }
        table
    }
}
