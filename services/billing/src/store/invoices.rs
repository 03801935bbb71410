//! Invoices. There is no function that changes one.

use chrono::NaiveDate;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_types::{
    BillingMonth, CertificateKind, Environment, Id, Invoice, TenantId, TenantScope, Yen,
};

use super::{month, of, optional, usage::Behind, word};
use crate::{
    config::Issuer,
    entity::{invoice, invoice_line},
    error::BillingError,
    invoice::{
        Document, InvoiceSummary, InvoiceView, IssuerView, LineView, RecipientView, Reference,
    },
    line::{Category, ChargedFor, Line},
    share::Share,
    tax::{Rounding, TaxCategory, Totals},
    words::{Meter, Purpose, channel_from_word},
};

/// Rows per INSERT: SQLite takes 32,766 parameters and a row has twenty-one.
const CHUNK: usize = 1_000;

/// An invoice about to be issued.
pub(crate) struct NewInvoice {
    pub(crate) scope: TenantScope,
    pub(crate) id: Id<Invoice>,
    pub(crate) number: String,
    pub(crate) period: BillingMonth,
    pub(crate) issued_on: NaiveDate,
    pub(crate) issuer: Issuer,
    pub(crate) recipient_name: String,
    pub(crate) plan: String,
    pub(crate) rounding: Rounding,
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: Totals,
    pub(crate) document: Document,
    pub(crate) issue: i32,
    pub(crate) reference: Option<Reference>,
}

/// What of a line has no column of its own.
#[derive(Default, Serialize, Deserialize)]
struct LineDetail {
    plan: Option<String>,
    share: Option<Share>,
    #[serde(default)]
    credits_line: Option<u32>,
    skip: i64,
}

/// Issues invoices: theirs is the scope that each names.
pub(crate) async fn issue(txn: &DatabaseTransaction, new: &[NewInvoice]) -> Result<(), DbErr> {
    for chunk in new.chunks(CHUNK) {
        let rows = chunk.iter().map(invoice_row);
        invoice::Entity::insert_many(rows.collect::<Result<Vec<_>, _>>()?)
            .exec_without_returning(txn)
            .await?;
    }
    let rows: Vec<_> = new
        .iter()
        .flat_map(|new| {
            (1..)
                .zip(&new.lines)
                .map(|(n, line)| line_row(new, n, line))
        })
        .collect();
    for chunk in rows.chunks(CHUNK) {
        invoice_line::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

fn invoice_row(new: &NewInvoice) -> Result<invoice::ActiveModel, DbErr> {
    let tax_totals = serde_json::to_string(&new.totals.by_rate)
        .map_err(|error| DbErr::Custom(format!("totals are plain data: {error}")))?;
    let reference = new
        .reference
        .as_ref()
        .map(serde_json::to_string)
        .transpose();
    let reference =
        reference.map_err(|error| DbErr::Custom(format!("a reference is plain data: {error}")))?;
    Ok(invoice::ActiveModel {
        document: Set(new.document.as_str().to_owned()),
        issue: Set(new.issue),
        refers_to: Set(new.reference.as_ref().map(|one| one.invoice_id.uuid())),
        reference: Set(reference),
        id: Set(new.id.uuid()),
        tenant: Set(new.scope.tenant().uuid()),
        environment: Set(new.scope.environment().as_str().to_owned()),
        number: Set(new.number.clone()),
        period: Set(new.period.to_string()),
        issued_on: Set(new.issued_on),
        issuer_name: Set(new.issuer.name.clone()),
        registration_number: Set(new.issuer.registration_number.to_string()),
        recipient_name: Set(new.recipient_name.clone()),
        plan: Set(new.plan.clone()),
        tax_rounding: Set(new.rounding.as_str().to_owned()),
        subtotal: Set(new.totals.subtotal.0),
        tax: Set(new.totals.tax.0),
        total: Set(new.totals.total.0),
        tax_totals: Set(tax_totals),
    })
}

fn line_row(new: &NewInvoice, n: i32, line: &Line) -> invoice_line::ActiveModel {
    let scope = new.scope;
    let counted = line.counted;
    let text = |word: &'static str| word.to_owned();
    invoice_line::ActiveModel {
        invoice: Set(new.id.uuid()),
        n: Set(n),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(text(scope.environment().as_str())),
        category: Set(text(line.category.as_str())),
        charged_for: Set(text(line.charged_for.as_str())),
        description_ja: Set(line.description_ja()),
        description_en: Set(line.description_en()),
        service_month: Set(line.service_month.to_string()),
        meter: Set(counted.map(|one| text(one.meter.as_str()))),
        purpose: Set(counted.map(|one| text(one.purpose.as_str()))),
        kind: Set(counted.map(|one| text(one.kind.as_str()))),
        channel: Set(counted
            .and_then(|one| one.channel)
            .map(|one| text(one.as_str()))),
        first_day: Set(counted.map(|one| one.days.0)),
        last_day: Set(counted.map(|one| one.days.1)),
        quantity: Set(line.quantity),
        unit_price: Set(line.unit_price.0),
        list_price: Set(line.list_price.map(|price| price.0)),
        amount: Set(line.amount.0),
        tax_category: Set(text(line.tax_category.as_str())),
        tax_rate_percent: Set(i32::from(line.tax_rate_percent)),
        detail: Set(serde_json::to_string(&LineDetail {
            plan: line.plan.clone(),
            share: line.share,
            credits_line: line.credits.as_ref().map(|credited| credited.n),
            skip: counted.map_or(0, |one| one.skip),
        })
        .ok()),
    }
}

/// A tenant's invoices, oldest first; up to one more than `limit`.
pub(crate) async fn list(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<InvoiceSummary>, BillingError> {
    let mut rows = invoice::Entity::find()
        .filter(of(
            scope,
            invoice::Column::Tenant,
            invoice::Column::Environment,
        ))
        .order_by_asc(invoice::Column::Id)
        .limit(limit.saturating_add(1));
    if let Some(after) = after {
        rows = rows.filter(invoice::Column::Id.gt(after));
    }
    rows.all(db).await?.iter().map(summary).collect()
}

async fn row(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    id: Id<Invoice>,
) -> Result<invoice::Model, BillingError> {
    invoice::Entity::find_by_id(id.uuid())
        .filter(of(
            scope,
            invoice::Column::Tenant,
            invoice::Column::Environment,
        ))
        .one(db)
        .await?
        .ok_or(BillingError::NotFound)
}

/// One of a tenant's invoices.
pub(crate) async fn find(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    id: Id<Invoice>,
) -> Result<InvoiceView, BillingError> {
    let row = row(scope, db, id).await?;
    view(db, row).await
}

/// The first invoices of a month, one per tenant, in the tenants' order, as they were issued when it was closed.
pub(crate) async fn all_of_month(
    db: &impl ConnectionTrait,
    period: BillingMonth,
    after: Option<TenantId>,
    limit: u64,
) -> Result<Vec<(TenantScope, InvoiceView)>, BillingError> {
    let mut rows = invoice::Entity::find()
        .filter(invoice::Column::Environment.eq(Environment::Production.as_str()))
        .filter(invoice::Column::Period.eq(period.to_string()))
        .filter(invoice::Column::Document.eq(Document::Invoice.as_str()))
        .filter(invoice::Column::Issue.eq(1))
        .order_by_asc(invoice::Column::Tenant)
        .limit(limit);
    if let Some(after) = after {
        rows = rows.filter(invoice::Column::Tenant.gt(after.uuid()));
    }
    let mut found = Vec::new();
    for row in rows.all(db).await? {
        let scope = TenantScope::of_event(TenantId::from_uuid(row.tenant), Environment::Production);
        found.push((scope, view(db, row).await?));
    }
    Ok(found)
}

/// Whose an invoice is: for the operator, who names it alone.
pub(crate) async fn scope_of_any(
    db: &impl ConnectionTrait,
    id: Id<Invoice>,
) -> Result<TenantScope, BillingError> {
    let row = invoice::Entity::find_by_id(id.uuid())
        .one(db)
        .await?
        .ok_or(BillingError::NotFound)?;
    let environment = word("environment", &row.environment, Environment::from_word)?;
    Ok(TenantScope::of_event(
        TenantId::from_uuid(row.tenant),
        environment,
    ))
}

/// What refers to an invoice: its credit notes, and the one in its place.
pub(crate) async fn referring_to(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    id: Id<Invoice>,
) -> Result<Vec<InvoiceView>, BillingError> {
    let rows = invoice::Entity::find()
        .filter(of(
            scope,
            invoice::Column::Tenant,
            invoice::Column::Environment,
        ))
        .filter(invoice::Column::RefersTo.eq(id.uuid()))
        .order_by_asc(invoice::Column::Id);
    let mut found = Vec::new();
    for row in rows.all(db).await? {
        found.push(view(db, row).await?);
    }
    Ok(found)
}

/// Repeats an invoice's lines under another: a reissued invoice has those of the one in whose place it stands.
pub(crate) async fn copy_lines(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    from: Id<Invoice>,
    to: Id<Invoice>,
) -> Result<(), DbErr> {
    let lines = invoice_line::Entity::find()
        .filter(of(
            scope,
            invoice_line::Column::Tenant,
            invoice_line::Column::Environment,
        ))
        .filter(invoice_line::Column::Invoice.eq(from.uuid()))
        .order_by_asc(invoice_line::Column::N)
        .all(txn)
        .await?;
    let rows: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let mut row = invoice_line::ActiveModel::from(line).reset_all();
            row.invoice = Set(to.uuid());
            row
        })
        .collect();
    for chunk in rows.chunks(CHUNK) {
        invoice_line::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// How many documents of a kind stand for a tenant and month.
pub(crate) async fn issued(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    period: BillingMonth,
    document: Document,
) -> Result<i32, BillingError> {
    let count = invoice::Entity::find()
        .filter(of(
            scope,
            invoice::Column::Tenant,
            invoice::Column::Environment,
        ))
        .filter(invoice::Column::Period.eq(period.to_string()))
        .filter(invoice::Column::Document.eq(document.as_str()))
        .count(db)
        .await?;
    i32::try_from(count).map_err(|_| BillingError::Money(warikan_types::MoneyError))
}

async fn view(db: &impl ConnectionTrait, row: invoice::Model) -> Result<InvoiceView, BillingError> {
    // The row was found by its scope; its lines bear the same.
    let scope_filter = Condition::all()
        .add(invoice_line::Column::Tenant.eq(row.tenant))
        .add(invoice_line::Column::Environment.eq(row.environment.clone()));
    let lines = invoice_line::Entity::find()
        .filter(scope_filter)
        .filter(invoice_line::Column::Invoice.eq(row.id))
        .order_by_asc(invoice_line::Column::N)
        .all(db)
        .await?;
    Ok(InvoiceView {
        summary: summary(&row)?,
        issuer: IssuerView {
            name: row.issuer_name,
            registration_number: row.registration_number,
        },
        recipient: RecipientView {
            name: row.recipient_name,
        },
        plan: row.plan,
        currency: "JPY".to_owned(),
        lines: lines.iter().map(line_view).collect::<Result<_, _>>()?,
        tax_totals: word("tax totals", &row.tax_totals, |text| {
            serde_json::from_str(text).ok()
        })?,
        tax_rounding: word("rounding", &row.tax_rounding, Rounding::from_word)?,
    })
}

/// What stands behind one line of one of a tenant's invoices: nothing behind a line without uses.
pub(crate) async fn find_line(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    id: Id<Invoice>,
    n: i32,
) -> Result<Option<Behind>, BillingError> {
    let invoice = row(scope, db, id).await?;
    let line = invoice_line::Entity::find_by_id((id.uuid(), n))
        .filter(of(
            scope,
            invoice_line::Column::Tenant,
            invoice_line::Column::Environment,
        ))
        .one(db)
        .await?
        .ok_or(BillingError::NotFound)?;
    let Some(days) = line.first_day.zip(line.last_day) else {
        return Ok(None);
    };
    Ok(Some(Behind {
        period: month(&invoice.period)?,
        line: line_view(&line)?,
        days,
    }))
}

fn summary(row: &invoice::Model) -> Result<InvoiceSummary, BillingError> {
    Ok(InvoiceSummary {
        id: Id::from_uuid(row.id),
        number: row.number.clone(),
        period: month(&row.period)?,
        issued_on: row.issued_on,
        subtotal: Yen(row.subtotal),
        tax: Yen(row.tax),
        total: Yen(row.total),
        document: word("document", &row.document, Document::from_word)?,
        refers_to: optional("reference", row.reference.as_deref(), |text| {
            serde_json::from_str(text).ok()
        })?,
    })
}

fn line_view(row: &invoice_line::Model) -> Result<LineView, BillingError> {
    let number = |what, value: i32| {
        u32::try_from(value).map_err(|_| BillingError::Stored {
            what,
            word: value.to_string(),
        })
    };
    let detail: LineDetail = optional("line detail", row.detail.as_deref(), |text| {
        serde_json::from_str(text).ok()
    })?
    .unwrap_or_default();
    Ok(LineView {
        plan: detail.plan,
        share: detail.share,
        credits_line: detail.credits_line,
        records_before: detail.skip,
        n: number("line number", row.n)?,
        description_ja: row.description_ja.clone(),
        description_en: row.description_en.clone(),
        category: word("category", &row.category, Category::from_word)?,
        charged_for: word("charge", &row.charged_for, ChargedFor::from_word)?,
        service_month: month(&row.service_month)?,
        meter: optional("meter", row.meter.as_deref(), Meter::from_word)?,
        purpose: optional("purpose", row.purpose.as_deref(), Purpose::from_word)?,
        kind: optional("kind", row.kind.as_deref(), CertificateKind::from_word)?,
        channel: optional("channel", row.channel.as_deref(), channel_from_word)?,
        quantity: row.quantity,
        unit_price: Yen(row.unit_price),
        list_price: row.list_price.map(Yen),
        amount: Yen(row.amount),
        tax_category: word("tax category", &row.tax_category, TaxCategory::from_word)?,
        tax_rate_percent: word("tax rate", &row.tax_rate_percent.to_string(), |text| {
            text.parse().ok()
        })?,
    })
}
