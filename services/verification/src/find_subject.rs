//! Whose certificates they are: the subjects behind a batch of verifications, found or made.

use std::collections::{HashMap, HashSet};

use sea_orm::{DatabaseTransaction, DbErr};
use warikan_contracts::{
    Envelope,
    facts::{SubjectChange, SubjectChanged},
};
use warikan_messaging::{Hold, hold_all};
use warikan_rows::{Found, Question, Questions, Writes};
use warikan_runtime::Platform;
use warikan_types::{
    CertificateHandle, CertificateKind, Sealer, SubjectId, TenantScope, Timestamp, Verdict,
};

use crate::{
    error::Error,
    store::{
        self, CertificateRow, KnownCertificate, NewCertificate, NewSubject, SubjectOfCertificate,
        SubjectRow,
    },
    verify::Case,
    view::SubjectOfVerification,
};

/// A customer number of a tenant, as it is looked up.
pub(crate) type Fingerprint = (TenantScope, Vec<u8>);

/// The persons behind certificates, as the database has them.
pub(crate) type KnownSubjects = HashMap<CertificateHandle, (TenantScope, SubjectRow)>;

/// A question for the persons behind certificates.
pub(crate) struct AskedSubjects {
    handles: HashSet<(TenantScope, CertificateHandle)>,
    question: Option<Question<SubjectOfCertificate>>,
}

impl AskedSubjects {
    pub(crate) fn ask<'a>(
        questions: &mut Questions,
        cases: impl Iterator<Item = &'a Case>,
    ) -> Self {
        let handles = cases.filter_map(|case| Some((case.scope, case.known.as_ref()?.handle)));
        let handles = handles.collect();
        let question = store::ask_subjects(questions, &handles);
        Self { handles, question }
    }

    pub(crate) fn found(&self, found: &Found) -> Result<KnownSubjects, DbErr> {
        let Some(question) = &self.question else {
            return Ok(HashMap::new());
        };
        let rows = found.rows(question)?;
        Ok(store::subjects_of_certificates(rows, &self.handles))
    }
}

/// What is known of the persons behind a batch, growing as the batch's verifications are gone through in order.
pub(crate) struct Subjects {
    by_certificate: HashMap<CertificateHandle, (SubjectId, Option<String>)>,
    by_reference: HashMap<Fingerprint, SubjectId>,
    /// The certificates of those whom a customer number named.
    certificates: HashMap<SubjectId, Vec<Known>>,
    new_subjects: Vec<NewSubject>,
    new_certificates: Vec<NewCertificate>,
}

/// What tells which of a person's certificates is the later one.
#[derive(Clone, Copy)]
struct Known {
    handle: CertificateHandle,
    kind: CertificateKind,
    /// `None`: written before it was.
    not_before: Option<Timestamp>,
    not_after: Timestamp,
}

impl Known {
    fn of(row: &CertificateRow) -> Result<Self, Error> {
        Ok(Self {
            handle: CertificateHandle::from_uuid(row.handle),
            kind: CertificateKind::from_word(&row.kind)
                .ok_or(Error::Damaged("subject_certificate.kind"))?,
            not_before: row.not_before.map(Timestamp::new),
            not_after: Timestamp::new(row.not_after),
        })
    }

    /// A move may end a certificate on the day of its successor's notAfter, so it is the beginnings that count.
    fn is_before(&self, new: &KnownCertificate) -> bool {
        match self.not_before {
            Some(not_before) => not_before < new.not_before,
            None => self.not_after < new.not_after,
        }
    }
}

impl Subjects {
    /// Looks up the persons behind these certificates. Of several processes at once one makes a subject, and the others find it:
    /// names are held for those that are new, certificates before references, always; in one order nobody waits in a circle.
    pub(crate) async fn find(
        on: &DatabaseTransaction,
        platform: &Platform,
        mut found: KnownSubjects,
        cases: &[(&Case, Verdict)],
    ) -> Result<Self, Error> {
        let missing = |found: &KnownSubjects| {
            cases
                .iter()
                .filter(|(case, verdict)| {
                    let known = case.known.as_ref();
                    *verdict != Verdict::Invalid
                        && known.is_some_and(|known| !found.contains_key(&known.handle))
                })
                .map(|(case, _)| *case)
                .collect::<Vec<_>>()
        };
        let mut new = missing(&found);
        let names = new.iter().filter_map(|case| case.known.as_ref());
        let names: Vec<String> = names
            .map(|known| format!("certificate/{}", known.handle))
            .collect();
        if hold_all(on, &names, Hold::Exclusive).await? {
            let mut questions = Questions::on(on);
            let again = AskedSubjects::ask(&mut questions, new.iter().copied());
            found.extend(again.found(&questions.carry_out(on).await?)?);
            new = missing(&found);
        }
        let references: HashSet<Fingerprint> = new
            .iter()
            .filter_map(|case| fingerprint(platform, case))
            .collect();
        let names = references.iter();
        let names: Vec<String> = names
            .map(|(_, digest)| format!("reference/{}", hex::encode(digest)))
            .collect();
        hold_all(on, &names, Hold::Exclusive).await?;
        let by_reference = store::subjects_by_reference(on, &references).await?;
        let persons = by_reference.iter();
        let persons = persons.map(|((scope, _), id)| (*scope, *id)).collect();
        let mut certificates: HashMap<SubjectId, Vec<Known>> = HashMap::new();
        for row in store::certificates_of_subjects(on, &persons).await? {
            let of = certificates.entry(SubjectId::from_uuid(row.subject));
            of.or_default().push(Known::of(&row)?);
        }
        // Where a batch spans tenants, each one's own.
        let sealers: HashMap<TenantScope, &Sealer> = cases
            .iter()
            .map(|(case, _)| (case.scope, &case.sealer))
            .collect();
        let mut by_certificate = HashMap::with_capacity(found.len());
        for (handle, (scope, row)) in found {
            // Others were asked for with a request that was answered before.
            let Some(sealer) = sealers.get(&scope) else {
                continue;
            };
            let reference = store::reference(sealer, scope, &row)?;
            by_certificate.insert(handle, (SubjectId::from_uuid(row.id), reference));
        }
        Ok(Self {
            by_certificate,
            by_reference,
            certificates,
            new_subjects: Vec::new(),
            new_certificates: Vec::new(),
        })
    }

    /// The person behind a case's certificate. A new one is only believed in where nothing speaks against the signature:
    /// a certificate is public, and presenting it proves nothing. With the fact that a known person has a certificate more, where
    /// that is news.
    pub(crate) fn of(
        &mut self,
        case: &Case,
        verdict: Verdict,
        platform: &Platform,
    ) -> Result<(Option<SubjectOfVerification>, Option<Envelope>), Error> {
        let Some(known) = &case.known else {
            return Ok((None, None));
        };
        if let Some((id, reference)) = self.by_certificate.get(&known.handle) {
            let found = SubjectOfVerification {
                id: *id,
                is_new: false,
                reference: reference.clone(),
            };
            return Ok((Some(found), None));
        }
        if verdict == Verdict::Invalid {
            return Ok((None, None));
        }
        let sealer = &case.sealer;
        let reference = case.submission.reference.as_deref();
        let fingerprint = fingerprint(platform, case);
        let same_customer = fingerprint
            .as_ref()
            .and_then(|fingerprint| self.by_reference.get(fingerprint));
        let (id, is_new) = match same_customer {
            Some(id) => (*id, false),
            None => {
                let id = platform.entropy.id(case.accepted_at);
                let digest = fingerprint.as_ref().map(|(_, digest)| digest.clone());
                self.new_subjects.push(NewSubject::of(
                    sealer,
                    case.scope,
                    id,
                    reference.zip(digest),
                    case.accepted_at,
                ));
                self.by_reference
                    .extend(fingerprint.map(|fingerprint| (fingerprint, id)));
                (id, true)
            }
        };
        self.new_certificates
            .push(NewCertificate::of(sealer, case.scope, id, known)?);
        let reference = reference.map(str::to_owned);
        self.by_certificate
            .insert(known.handle, (id, reference.clone()));
        let replaces = self.join(id, known);
        let changed = (!is_new).then(|| certificate_added(platform, case, id, known, replaces));
        let subject = SubjectOfVerification {
            id,
            is_new,
            reference,
        };
        Ok((Some(subject), changed))
    }

    /// Notes a person's new certificate; which one it replaces. A card holds one of each kind, so the last one before it of its kind is
    /// over. Whether J-LIS links the two (公的個人認証法18条4項) is not asked: the tenant says whose they are, by its customer number.
    fn join(&mut self, id: SubjectId, new: &KnownCertificate) -> Option<CertificateHandle> {
        let theirs = self.certificates.entry(id).or_default();
        let before = theirs
            .iter()
            .filter(|one| one.kind == new.kind && one.is_before(new))
            .max_by_key(|one| (one.not_before, one.not_after))
            .map(|one| one.handle);
        theirs.push(Known {
            handle: new.handle,
            kind: new.kind,
            not_before: Some(new.not_before),
            not_after: new.not_after,
        });
        before
    }

    /// Writes down who is new.
    pub(crate) fn insert(self, writes: &mut Writes) -> Result<(), Error> {
        store::insert_subjects(writes, self.new_subjects)?;
        store::insert_certificates(writes, self.new_certificates)?;
        Ok(())
    }
}

fn fingerprint(platform: &Platform, case: &Case) -> Option<Fingerprint> {
    let text = case.submission.reference.as_deref()?;
    let digest = platform.keys.pseudonym().fingerprint(case.scope, text);
    Some((case.scope, digest))
}

fn certificate_added(
    platform: &Platform,
    case: &Case,
    subject: SubjectId,
    known: &KnownCertificate,
    replaces: Option<CertificateHandle>,
) -> Envelope {
    let fact = SubjectChanged {
        subject,
        change: SubjectChange::CertificateAdded,
        handle: known.handle,
        kind: known.kind,
        verification: Some(case.id),
        replaces,
    };
    let (id, at) = (platform.entropy.id(case.accepted_at), case.accepted_at);
    Envelope::of(id, Some(case.scope), at, subject.to_string(), &fact)
}
