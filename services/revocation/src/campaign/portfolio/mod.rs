//! A portfolio: which certificates a tenant names, line by line.
//!
//! Each line names a certificate by the handle it goes by, by its octets, or by the customer number of a watch; a customer
//! number may stand beside the first two, and comes back with the change. What a line does wrong is told with its number; the other
//! lines are taken. Lines are taken in batches of 500, each in a transaction of its own, and a certificate that is there
//! already stays as it is: a connection that breaks costs nothing but sending the same again.

mod lines;
mod parse;

use std::collections::{BTreeMap, HashMap};

use sea_orm::DatabaseTransaction;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warikan_http::FieldError;
use warikan_pki::{Examined, examine, is_der};
use warikan_types::{Campaign, CertificateHandle, Id, Sealer, TenantScope};

pub(crate) use lines::{LineError, LineReader};
pub(crate) use parse::{Format, Parser};

use super::{CERTIFICATES, State};
use crate::{
    Revocation,
    entity::{campaign_item, watch},
    error::Error,
    start_watch::CertificateRefused,
    store::{campaigns, partition_text, portfolio},
};

/// Problems that are told one by one; of the others only the number.
const PROBLEMS_TOLD: usize = 1_000;

/// A line that is one, as far as can be told without asking anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// From 1.
    pub(crate) line: u64,
    pub(crate) reference: Option<String>,
    pub(crate) names: Names,
}

/// How a line names its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    Handle(CertificateHandle),
    Certificate(Vec<u8>),
    /// By the customer number alone: whatever is watched under it.
    Reference,
}

impl Row {
    /// A customer number at a place of a list.
    pub(super) fn of_reference((place, reference): (u64, String)) -> Self {
        Self {
            line: place,
            reference: Some(reference),
            names: Names::Reference,
        }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PortfolioProblem)]
pub struct RowProblem {
    /// The line, from 1; the header of a table is line 1.
    pub(crate) line: u64,
    /// The column or member.
    pub(crate) field: String,
    /// Stable word.
    pub(crate) code: String,
    /// In plain words, and what to do.
    pub(crate) detail: String,
}

impl RowProblem {
    pub(crate) fn new(line: u64, field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self {
            line,
            field: field.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

impl From<&RowProblem> for FieldError {
    fn from(problem: &RowProblem) -> Self {
        Self {
            pointer: format!("/selector/refs/{}", problem.line),
            code: problem.code.clone(),
            detail: problem.detail.clone(),
        }
    }
}

/// What became of a portfolio's part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PortfolioPart)]
pub(crate) struct Taken {
    /// Lines that were read, without header and empty ones.
    pub(crate) lines: u64,
    /// Certificates that came into the portfolio.
    pub(crate) added: u64,
    /// Certificates that were in it already; a certificate counts once, under its first customer number.
    pub(crate) duplicates: u64,
    /// Lines that were not taken.
    pub(crate) refused: u64,
    /// Why, for the first 1,000 of them.
    pub(crate) problems: Vec<RowProblem>,
}

impl Taken {
    pub(crate) fn refuse(&mut self, problem: RowProblem) {
        self.refused += 1;
        if self.problems.len() < PROBLEMS_TOLD {
            self.problems.push(problem);
        }
    }

    fn add(&mut self, other: Self) {
        self.added += other.added;
        self.duplicates += other.duplicates;
        for problem in other.problems {
            self.refuse(problem);
        }
    }
}

impl Revocation {
    /// Takes a batch of lines into a campaign's portfolio.
    pub(crate) async fn take_batch(
        &self,
        scope: TenantScope,
        id: Id<Campaign>,
        rows: Vec<Row>,
        taken: &mut Taken,
    ) -> Result<(), Error> {
        let sealer = self.0.data_keys.sealer(scope).await?;
        let txn = self.0.db.begin_write(scope).await?;
        let row = campaigns::find_to_change(scope, &txn, id)
            .await?
            .ok_or(Error::NotFound)?;
        match State::of(&row)? {
            State::Collecting => {}
            other => return Err(Error::CampaignState(other)),
        }
        let room = CERTIFICATES.saturating_sub(u64::try_from(row.total).unwrap_or(0));
        let batch = self.take_rows(scope, &txn, (id, &sealer), rows).await?;
        if batch.added > room {
            return Err(Error::PortfolioFull);
        }
        campaigns::add_to_total(&txn, id, batch.added).await?;
        txn.commit().await?;
        taken.add(batch);
        Ok(())
    }

    /// Finds out which certificates lines name, and puts them into a campaign's portfolio, their customer numbers sealed.
    pub(super) async fn take_rows(
        &self,
        scope: TenantScope,
        txn: &DatabaseTransaction,
        into: (Id<Campaign>, &Sealer),
        rows: Vec<Row>,
    ) -> Result<Taken, Error> {
        let mut taken = Taken::default();
        let handles: Vec<Uuid> = rows
            .iter()
            .filter_map(|row| match &row.names {
                Names::Handle(handle) => Some(handle.uuid()),
                _ => None,
            })
            .collect();
        let known = portfolio::by_handles(scope, txn, &handles).await?;
        let watched = self.watched_under(scope, txn, &rows).await?;
        let mut items: BTreeMap<Uuid, campaign_item::Model> = BTreeMap::new();
        let mut named = 0;
        for row in rows {
            let found = self.items_of(scope, into, &row, &known, &watched);
            match found {
                Ok(found) => {
                    named += found.len() as u64;
                    for item in found {
                        items.entry(item.handle).or_insert(item);
                    }
                }
                Err(problem) => taken.refuse(problem),
            }
        }
        taken.added = portfolio::add(txn, items.into_values().collect()).await?;
        taken.duplicates = named - taken.added;
        Ok(taken)
    }

    /// The watches under the customer numbers that name certificates by themselves.
    async fn watched_under(
        &self,
        scope: TenantScope,
        txn: &DatabaseTransaction,
        rows: &[Row],
    ) -> Result<HashMap<Vec<u8>, Vec<watch::Model>>, Error> {
        let pseudonym = self.0.platform.keys.pseudonym();
        let keys: Vec<Vec<u8>> = rows
            .iter()
            .filter(|row| row.names == Names::Reference)
            .filter_map(|row| row.reference.as_ref())
            .map(|text| pseudonym.fingerprint(scope, text))
            .collect();
        let mut found: HashMap<Vec<u8>, Vec<watch::Model>> = HashMap::new();
        for row in portfolio::by_references(scope, txn, &keys).await? {
            let key = row.reference_key.clone().unwrap_or_default();
            found.entry(key).or_default().push(row);
        }
        Ok(found)
    }

    fn items_of(
        &self,
        scope: TenantScope,
        (id, sealer): (Id<Campaign>, &Sealer),
        row: &Row,
        known: &BTreeMap<Uuid, watch::Model>,
        watched: &HashMap<Vec<u8>, Vec<watch::Model>>,
    ) -> Result<Vec<campaign_item::Model>, RowProblem> {
        let keys = &self.0.platform.keys;
        let reference = row.reference.as_ref().map(|text| {
            let place = reference_place(scope, id);
            sealer.seal(&place, text.as_bytes())
        });
        let refused =
            |field, code, detail: &str| Err(RowProblem::new(row.line, field, code, detail));
        match &row.names {
            Names::Handle(handle) => match known.get(&handle.uuid()) {
                Some(found) => Ok(vec![item_of(id, found, reference)]),
                None => refused(
                    "handle",
                    "unknown_handle",
                    "no certificate that you watch or watched goes by this handle; send the certificate",
                ),
            },
            Names::Reference => {
                let text = row.reference.as_deref().unwrap_or_default();
                let key = keys.pseudonym().fingerprint(scope, text);
                match watched.get(&key) {
                    Some(found) => Ok(found
                        .iter()
                        .map(|found| item_of(id, found, reference.clone()))
                        .collect()),
                    None => refused(
                        "ref",
                        "unknown_ref",
                        "nothing is watched under this customer number; name a handle or send the certificate",
                    ),
                }
            }
            Names::Certificate(der) => self
                .identify(scope, id, der, reference)
                .map(|item| vec![item])
                .map_err(|why| {
                    RowProblem::new(row.line, "certificate", why.code(), why.to_string())
                }),
        }
    }

    /// A certificate by its octets. One whose time is over is taken: the campaign says so.
    fn identify(
        &self,
        scope: TenantScope,
        id: Id<Campaign>,
        der: &[u8],
        reference: Option<Vec<u8>>,
    ) -> Result<campaign_item::Model, CertificateRefused> {
        if !is_der(der) {
            return Err(CertificateRefused::NotDer);
        }
        let examined: Examined = examine(der, &self.0.anchors.current());
        let known = crate::start_watch::known(&examined, scope.environment())?;
        let pseudonym = self.0.platform.keys.pseudonym();
        Ok(campaign_item::Model {
            campaign: id.uuid(),
            handle: pseudonym.handle(scope, known.id).uuid(),
            tenant: scope.tenant().uuid(),
            reference,
            issuer: known.id.issuer.to_string(),
            serial: known.id.serial.octets().to_vec(),
            partition: partition_text(known.certificate.distribution_point()),
            kind: known.kind.as_str().to_owned(),
            not_after: known.certificate.not_after().utc(),
        })
    }
}

fn item_of(
    id: Id<Campaign>,
    found: &watch::Model,
    reference: Option<Vec<u8>>,
) -> campaign_item::Model {
    campaign_item::Model {
        campaign: id.uuid(),
        handle: found.handle,
        tenant: found.tenant,
        reference,
        issuer: found.issuer.clone(),
        serial: found.serial.clone(),
        partition: found.partition.clone(),
        kind: found.kind.clone(),
        not_after: found.not_after,
    }
}

/// The place that a portfolio's customer numbers are sealed for.
pub(crate) fn reference_place(scope: TenantScope, id: Id<Campaign>) -> String {
    format!("campaign/{}/{id}", scope.tenant())
}
