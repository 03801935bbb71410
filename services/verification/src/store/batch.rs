//! What group commit asks: many tenants' rows with one statement each. Every key carries its scope, and a row is given out only
//! under a key of its own scope.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use uuid::Uuid;
use warikan_rows::{Known, Writes, padded};
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

/// Challenges, for the answers that would use them: another process's batch with one of them waits until this transaction ends,
/// and then sees what it did (F020).
pub(crate) async fn challenges_to_use(
    on: &DatabaseTransaction,
    keys: &HashSet<(TenantScope, ChallengeId)>,
) -> Result<HashMap<(TenantScope, ChallengeId), ChallengeRow>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = challenge::Entity::find()
        .filter(challenge::Column::Tenant.is_in(tenants(keys.iter().map(|(scope, _)| scope))))
        .filter(challenge::Column::Id.is_in(padded(keys.iter().map(|(_, id)| id.uuid()))))
        .order_by_asc(challenge::Column::Id)
        .lock_exclusive()
        .all(on)
        .await?;
    let rows: HashMap<Uuid, ChallengeRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(keys
        .iter()
        .filter_map(|key| {
            let row = rows.get(&key.1.uuid())?;
            is_of(key.0, row.tenant, &row.environment).then(|| (*key, row.clone()))
        })
        .collect())
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

/// The subjects that have these certificates. Their erasure waits until the transaction ends, and so finds what that wrote about
/// them; one that was erased a moment ago is not found.
pub(crate) async fn subjects_of_certificates(
    on: &DatabaseTransaction,
    keys: &HashSet<(TenantScope, CertificateHandle)>,
) -> Result<HashMap<CertificateHandle, (TenantScope, SubjectRow)>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let tenants = tenants(keys.iter().map(|(scope, _)| scope));
    let certificates = subject_certificate::Entity::find()
        .filter(subject_certificate::Column::Tenant.is_in(tenants.iter().copied()))
        .filter(
            subject_certificate::Column::Handle
                .is_in(padded(keys.iter().map(|(_, handle)| handle.uuid()))),
        )
        .all(on)
        .await?;
    if certificates.is_empty() {
        return Ok(HashMap::new());
    }
    let subjects: HashSet<Uuid> = certificates.iter().map(|row| row.subject).collect();
    let subjects = subject::Entity::find()
        .filter(subject::Column::Tenant.is_in(tenants))
        .filter(subject::Column::Id.is_in(padded(subjects)))
        .filter(subject::Column::ErasedAt.is_null())
        .lock_shared()
        .all(on)
        .await?;
    let subjects: HashMap<Uuid, SubjectRow> =
        subjects.into_iter().map(|row| (row.id, row)).collect();
    let whose: HashMap<Uuid, Uuid> = certificates
        .iter()
        .map(|row| (row.handle, row.subject))
        .collect();
    Ok(keys
        .iter()
        .filter_map(|(scope, handle)| {
            let row = subjects.get(whose.get(&handle.uuid())?)?;
            is_of(*scope, row.tenant, &row.environment).then(|| (*handle, (*scope, row.clone())))
        })
        .collect())
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
