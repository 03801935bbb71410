//! Whose certificate it is: the subject behind it, found or made.

use sea_orm::DatabaseTransaction;
use warikan_contracts::{
    Envelope,
    facts::{SubjectChange, SubjectChanged},
};
use warikan_messaging::{Hold, hold};
use warikan_types::{SubjectId, Verdict};

use crate::{
    Verification,
    error::Error,
    store::{self, KnownCertificate},
    verify::Case,
    view::SubjectOfVerification,
};

impl Verification {
    /// The person behind the certificate. A new one is only believed in where nothing speaks against the signature:
    /// a certificate is public, and presenting it proves nothing. With the fact that a known person has a certificate more, where
    /// that is news.
    pub(crate) async fn subject(
        &self,
        on: &DatabaseTransaction,
        case: &Case,
        known: &KnownCertificate,
    ) -> Result<(Option<SubjectOfVerification>, Option<Envelope>), Error> {
        if let Some(found) = self.subject_of_certificate(on, case, known).await? {
            return Ok((Some(found), None));
        }
        if case.report.verdict == Verdict::Invalid {
            return Ok((None, None));
        }
        // Of several verifications at once one makes the subject, and the others find it. Certificate before reference, always:
        // in one order nobody waits in a circle.
        hold(
            on,
            &format!("certificate/{}", known.handle),
            Hold::Exclusive,
        )
        .await?;
        if let Some(found) = self.subject_of_certificate(on, case, known).await? {
            return Ok((Some(found), None));
        }
        let keys = &self.0.platform.keys;
        let reference = case.submission.reference.as_deref();
        let fingerprint = reference.map(|text| keys.pseudonym().fingerprint(case.scope, text));
        let same_customer = match &fingerprint {
            Some(fingerprint) => {
                let name = format!("reference/{}", hex::encode(fingerprint));
                hold(on, &name, Hold::Exclusive).await?;
                store::subject_by_reference(on, case.scope, fingerprint).await?
            }
            None => None,
        };
        let (id, is_new) = match same_customer {
            Some(row) => (SubjectId::from_uuid(row.id), false),
            None => {
                let id = self.0.platform.entropy.id(case.accepted_at);
                store::insert_subject(
                    on,
                    keys.sealer(),
                    case.scope,
                    id,
                    reference.zip(fingerprint),
                    case.accepted_at,
                )
                .await?;
                (id, true)
            }
        };
        store::insert_certificate(on, keys.sealer(), case.scope, id, known).await?;
        let changed = (!is_new).then(|| self.certificate_added(case, id, known));
        let subject = SubjectOfVerification {
            id,
            is_new,
            reference: reference.map(str::to_owned),
        };
        Ok((Some(subject), changed))
    }

    fn certificate_added(
        &self,
        case: &Case,
        subject: SubjectId,
        known: &KnownCertificate,
    ) -> Envelope {
        let fact = SubjectChanged {
            subject,
            change: SubjectChange::CertificateAdded,
            handle: known.handle,
            kind: known.kind,
            verification: Some(case.id),
        };
        let (id, at) = (
            self.0.platform.entropy.id(case.accepted_at),
            case.accepted_at,
        );
        Envelope::of(id, Some(case.scope), at, subject.to_string(), &fact)
    }

    async fn subject_of_certificate(
        &self,
        on: &DatabaseTransaction,
        case: &Case,
        known: &KnownCertificate,
    ) -> Result<Option<SubjectOfVerification>, Error> {
        let found = store::subject_of_certificate(on, case.scope, known.handle).await?;
        found
            .map(|row| {
                let sealer = self.0.platform.keys.sealer();
                Ok(SubjectOfVerification {
                    id: SubjectId::from_uuid(row.id),
                    is_new: false,
                    reference: store::reference(sealer, case.scope, &row)?,
                })
            })
            .transpose()
    }
}
