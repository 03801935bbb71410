//! What group commit asks: many tenants' rows with one statement each. Every key carries its scope, and a row is given out only
//! under a key of its own scope.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, JoinType, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement, sea_query::LockType,
};
use uuid::Uuid;
use warikan_rows::{Known, Question, Questions, Writes, padded};
use warikan_types::{
    CertificateHandle, ChallengeId, Sealer, SubjectId, TenantScope, Timestamp, Verdict,
    VerificationId,
};

use super::{
    CertificateRow, ChallengeRow, KnownCertificate, SealedIdentity, SubjectRow, identity_place,
    reference_place,
};
use crate::{
    entity::{challenge, subject, subject_certificate, verification},
    error::Error,
    find_subject::Fingerprint,
};

/// A verification's row.
pub(crate) struct NewVerification {
    pub(crate) scope: TenantScope,
    pub(crate) id: VerificationId,
    pub(crate) verdict: Verdict,
    pub(crate) subject: Option<SubjectId>,
    pub(crate) accepted_at: Timestamp,
    /// The sealed box ([`crate::evidence`]).
    pub(crate) kept: Vec<u8>,
}

/// A new person's row.
pub(crate) struct NewSubject(subject::ActiveModel);

/// A new row that says whose a certificate is.
pub(crate) struct NewCertificate(subject_certificate::ActiveModel);

fn is_of(scope: TenantScope, tenant: Uuid, environment: &str) -> bool {
    scope.tenant().uuid() == tenant && scope.environment().as_str() == environment
}

fn tenants<'a>(scopes: impl Iterator<Item = &'a TenantScope>) -> Vec<Uuid> {
    let tenants: HashSet<Uuid> = scopes.map(|scope| scope.tenant().uuid()).collect();
    padded(tenants)
}

/// Asks for challenges, for the answers that would use them: another process's batch with one of them waits until this transaction
/// ends, and then sees what it did (F020).
pub(crate) fn ask_challenges(
    questions: &mut Questions,
    keys: &HashSet<(TenantScope, ChallengeId)>,
) -> Option<Question<ChallengeRow>> {
    if keys.is_empty() {
        return None;
    }
    let rows = challenge::Entity::find()
        .filter(challenge::Column::Tenant.is_in(tenants(keys.iter().map(|(scope, _)| scope))))
        .filter(challenge::Column::Id.is_in(padded(keys.iter().map(|(_, id)| id.uuid()))))
        .order_by_asc(challenge::Column::Id)
        .lock_exclusive();
    Some(questions.ask(rows))
}

/// The challenges that were found, each under a key of its own scope.
pub(crate) fn challenges_to_use(
    rows: Vec<ChallengeRow>,
    keys: &HashSet<(TenantScope, ChallengeId)>,
) -> HashMap<(TenantScope, ChallengeId), ChallengeRow> {
    let rows: HashMap<Uuid, ChallengeRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    keys.iter()
        .filter_map(|key| {
            let row = rows.get(&key.1.uuid())?;
            is_of(key.0, row.tenant, &row.environment).then(|| (*key, row.clone()))
        })
        .collect()
}

/// Consumes challenges that the same transaction has seen unused: which, and by which verification.
pub(crate) fn use_challenges(writes: &mut Writes, used: &[(TenantScope, ChallengeId, Uuid)]) {
    if used.is_empty() {
        return;
    }
    // One that stands twice is used once.
    let used = padded(used.iter().copied());
    let backend = writes.backend();
    let mut values = Vec::with_capacity(used.len() * 3);
    let mut places = Vec::with_capacity(used.len());
    for (scope, id, by) in &used {
        let first = values.len() + 1;
        places.push(match backend {
            // `$7` is a name there, and names are slow (`warikan_rows`).
            DbBackend::Sqlite => "(?, ?, ?)".to_owned(),
            _ => format!("(${first}, ${}, ${})", first + 1, first + 2),
        });
        values.extend([scope.tenant().uuid(), id.uuid(), *by].map(sea_orm::Value::from));
    }
    // Both databases name the columns of VALUES so.
    let sql = format!(
        "UPDATE challenge SET used_by = uses.column3 FROM (VALUES {}) AS uses \
         WHERE challenge.id = uses.column2 AND challenge.tenant = uses.column1 AND challenge.used_by IS NULL",
        places.join(", ")
    );
    writes.push(Statement::from_sql_and_values(backend, sql, values));
}

/// A person, and by which certificate they were found.
#[derive(Debug, FromQueryResult)]
pub(crate) struct SubjectOfCertificate {
    handle: Uuid,
    #[sea_orm(nested)]
    subject: SubjectRow,
}

/// Asks for the subjects that have these certificates. Their erasure waits until the transaction ends, and so finds what that wrote
/// about them; one that was erased a moment ago is not found.
pub(crate) fn ask_subjects(
    questions: &mut Questions,
    keys: &HashSet<(TenantScope, CertificateHandle)>,
) -> Option<Question<SubjectOfCertificate>> {
    if keys.is_empty() {
        return None;
    }
    let tenants = tenants(keys.iter().map(|(scope, _)| scope));
    let handles = padded(keys.iter().map(|(_, handle)| handle.uuid()));
    Some(questions.ask(persons_of(tenants, handles)))
}

fn persons_of(tenants: Vec<Uuid>, handles: Vec<Uuid>) -> Select<subject::Entity> {
    let to_certificate = subject::Entity::belongs_to(subject_certificate::Entity)
        .from(subject::Column::Id)
        .to(subject_certificate::Column::Subject)
        .into();
    let mut rows = subject::Entity::find()
        .column(subject_certificate::Column::Handle)
        .join(JoinType::InnerJoin, to_certificate)
        .filter(subject_certificate::Column::Tenant.is_in(tenants))
        .filter(subject_certificate::Column::Handle.is_in(handles))
        // Of the person nothing that an index serves: given the tenant here too, SQLite would go through all its persons for many handles.
        .filter(subject::Column::ErasedAt.is_null());
    // A certificate's row is only read: it says whose it is as long as it stands.
    QuerySelect::query(&mut rows).lock_with_tables(LockType::Share, [subject::Entity]);
    rows
}

/// The subjects that were found, each by a certificate of its own scope.
pub(crate) fn subjects_of_certificates(
    rows: Vec<SubjectOfCertificate>,
    keys: &HashSet<(TenantScope, CertificateHandle)>,
) -> HashMap<CertificateHandle, (TenantScope, SubjectRow)> {
    let rows: HashMap<Uuid, SubjectRow> = rows
        .into_iter()
        .map(|row| (row.handle, row.subject))
        .collect();
    keys.iter()
        .filter_map(|(scope, handle)| {
            let row = rows.get(&handle.uuid())?;
            is_of(*scope, row.tenant, &row.environment).then(|| (*handle, (*scope, row.clone())))
        })
        .collect()
}

/// The subjects with these customer numbers.
pub(crate) async fn subjects_by_reference(
    on: &DatabaseTransaction,
    keys: &HashSet<Fingerprint>,
) -> Result<HashMap<Fingerprint, SubjectId>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let environments: HashSet<&str> = keys
        .iter()
        .map(|(scope, _)| scope.environment().as_str())
        .collect();
    let rows = subject::Entity::find()
        .filter(subject::Column::Tenant.is_in(tenants(keys.iter().map(|(scope, _)| scope))))
        .filter(subject::Column::Environment.is_in(environments))
        .filter(
            subject::Column::ReferenceDigest
                .is_in(padded(keys.iter().map(|(_, digest)| digest.clone()))),
        )
        .lock_shared()
        .all(on)
        .await?;
    // The fingerprint is an HMAC over tenant and environment too: it stands for one scope.
    let rows: HashMap<&Vec<u8>, &SubjectRow> = rows
        .iter()
        .filter_map(|row| Some((row.reference_digest.as_ref()?, row)))
        .collect();
    Ok(keys
        .iter()
        .filter_map(|key| {
            let row = rows.get(&key.1)?;
            is_of(key.0, row.tenant, &row.environment)
                .then(|| (key.clone(), SubjectId::from_uuid(row.id)))
        })
        .collect())
}

/// The certificates of these subjects.
pub(crate) async fn certificates_of_subjects(
    on: &DatabaseTransaction,
    subjects: &HashSet<(TenantScope, SubjectId)>,
) -> Result<Vec<CertificateRow>, DbErr> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    subject_certificate::Entity::find()
        .filter(
            subject_certificate::Column::Tenant
                .is_in(tenants(subjects.iter().map(|(scope, _)| scope))),
        )
        .filter(
            subject_certificate::Column::Subject
                .is_in(padded(subjects.iter().map(|(_, id)| id.uuid()))),
        )
        .all(on)
        .await
}

impl NewSubject {
    /// With the tenant's customer number and its fingerprint, where it gave one.
    pub(crate) fn of(
        sealer: &Sealer,
        scope: TenantScope,
        id: SubjectId,
        reference: Option<(&str, Vec<u8>)>,
        at: Timestamp,
    ) -> Self {
        let (text, digest) = reference.unzip();
        let place = reference_place(scope, id.uuid());
        Self(subject::ActiveModel {
            id: Set(id.uuid()),
            tenant: Set(scope.tenant().uuid()),
            environment: Set(scope.environment().as_str().to_owned()),
            reference_digest: Set(digest),
            reference: Set(text.map(|text| sealer.seal(&place, text.as_bytes()))),
            created_at: Set(at.utc()),
            erased_at: Set(None),
        })
    }
}

impl NewCertificate {
    pub(crate) fn of(
        sealer: &Sealer,
        scope: TenantScope,
        subject: SubjectId,
        known: &KnownCertificate,
    ) -> Result<Self, Error> {
        let identity = SealedIdentity {
            id: known.id.clone(),
            partition: known.partition,
        };
        let plain = serde_json::to_vec(&identity).map_err(|_| Error::Damaged("identity"))?;
        Ok(Self(subject_certificate::ActiveModel {
            handle: Set(known.handle.uuid()),
            tenant: Set(scope.tenant().uuid()),
            environment: Set(scope.environment().as_str().to_owned()),
            subject: Set(subject.uuid()),
            kind: Set(known.kind.as_str().to_owned()),
            not_after: Set(known.not_after.utc()),
            not_before: Set(Some(known.not_before.utc())),
            identity: Set(sealer.seal(&identity_place(scope, known.handle), &plain)),
        }))
    }
}

pub(crate) fn insert_subjects(writes: &mut Writes, new: Vec<NewSubject>) -> Result<(), DbErr> {
    let rows = new.into_iter().map(|row| row.0).collect();
    writes.insert(rows, Known::Refused)
}

pub(crate) fn insert_certificates(
    writes: &mut Writes,
    new: Vec<NewCertificate>,
) -> Result<(), DbErr> {
    let rows = new.into_iter().map(|row| row.0).collect();
    writes.insert(rows, Known::Kept)
}

pub(crate) fn insert_challenges(writes: &mut Writes, new: Vec<ChallengeRow>) -> Result<(), DbErr> {
    let rows = new.into_iter().map(IntoActiveModel::into_active_model);
    writes.insert(rows.collect(), Known::Refused)
}

pub(crate) fn insert_verifications(
    writes: &mut Writes,
    new: Vec<NewVerification>,
) -> Result<(), DbErr> {
    let rows = new.into_iter().map(|new| verification::ActiveModel {
        id: Set(new.id.uuid()),
        tenant: Set(new.scope.tenant().uuid()),
        environment: Set(new.scope.environment().as_str().to_owned()),
        verdict: Set(new.verdict.as_str().to_owned()),
        subject: Set(new.subject.map(|subject| subject.uuid())),
        accepted_at: Set(new.accepted_at.utc()),
        answer: Set(Vec::new()),
        evidence: Set(new.kept),
    });
    writes.insert(rows.collect(), Known::Refused)
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectOptions, ConnectionTrait, Database, QueryTrait};
    use sea_orm_migration::MigratorTrait;

    use super::*;

    /// Without statistics SQLite guesses, and guesses otherwise for other numbers of keys: the persons of a tenant may be millions.
    #[tokio::test]
    async fn persons_are_found_by_their_certificates_keys_however_many_are_asked_for() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        crate::migrations::Migrator::up(&db, None).await.unwrap();
        for handles in (0..=11).map(|power| 1 << power) {
            for tenants in (0..=8).map(|power| 1 << power) {
                let asked = persons_of(vec![Uuid::nil(); tenants], vec![Uuid::nil(); handles]);
                let mut plan = asked.build(DbBackend::Sqlite);
                plan.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
                let plan = db.query_all_raw(plan).await.unwrap();
                let steps: Vec<String> = plan
                    .iter()
                    .map(|row| row.try_get("", "detail").unwrap())
                    .collect();
                assert_eq!(
                    steps,
                    [
                        "SEARCH subject_certificate USING INDEX sqlite_autoindex_subject_certificate_1 (handle=?)",
                        "SEARCH subject USING INDEX sqlite_autoindex_subject_1 (id=?)",
                    ],
                    "{handles} handles of {tenants} tenants"
                );
            }
        }
    }
}
