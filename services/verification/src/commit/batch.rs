//! One transaction for a batch: read what the entries hang on, decide each in order, write with a few statements.
//!
//! Every batch asks and locks in one order (answers given before, challenges, subjects, certificates, references, then
//! the rows it adds), and within each kind in the order of the keys: two batches never wait for each other in a circle.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};
use warikan_contracts::{Envelope, operations::MeteredOperation};
use warikan_http::{Answer, Code, GivenAnswers, Idempotency, IdempotencyError, Problem};
use warikan_messaging::{Outbox, begin_write};
use warikan_pki::Check;
use warikan_rows::{Questions, Writes};
use warikan_types::{ChallengeId, TenantScope, Timestamp, Verdict, VerificationId};

use super::{Entry, Ledger, Work};
use crate::{
    challenge,
    conclude::{self, Conclusion},
    error::Error,
    evidence::Kept,
    find_subject::{AskedSubjects, KnownSubjects, Subjects},
    store::{self, ChallengeRow},
    verify::Case,
};

/// How often a batch begins again because another process answered one of its keys meanwhile. Its next look finds that answer, so
/// a second time takes another key and a third process; it is not a loop.
const BEGINNINGS: usize = 8;

/// Why a batch was not committed.
pub(super) enum Failure {
    /// One of its entries may be at fault.
    OfAnEntry(Problem),
    /// None is.
    OfAll(Problem),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let problem = Problem::from(error);
        if problem.code() == Code::Unavailable {
            Self::OfAll(problem)
        } else {
            Self::OfAnEntry(problem)
        }
    }
}

/// What a batch adds.
#[derive(Default)]
struct Rows {
    verifications: Vec<store::NewVerification>,
    challenges: Vec<ChallengeRow>,
    facts: Vec<Envelope>,
    operations: Vec<(TenantScope, MeteredOperation)>,
}

/// What a batch hangs on, as it stands before it.
struct Known {
    given: GivenAnswers,
    challenges: HashMap<(TenantScope, ChallengeId), ChallengeRow>,
    subjects: KnownSubjects,
}

impl Known {
    async fn of(on: &DatabaseTransaction, entries: &[&Entry]) -> Result<Self, Error> {
        let cases = || entries.iter().filter_map(|entry| entry.case());
        let mut questions = Questions::on(on);
        let answers = Idempotency::ask(&mut questions, entries.iter().map(|entry| &entry.once));
        let used: HashSet<(TenantScope, ChallengeId)> = cases()
            .filter_map(|case| Some((case.scope, case.challenge?)))
            .collect();
        let challenges = store::ask_challenges(&mut questions, &used);
        let subjects = AskedSubjects::ask(&mut questions, cases());
        let found = questions.carry_out(on).await?;
        let rows = challenges.map(|asked| found.rows(&asked)).transpose()?;
        Ok(Self {
            given: Idempotency::given(&found, &answers)?,
            challenges: store::challenges_to_use(rows.unwrap_or_default(), &used),
            subjects: subjects.found(&found)?,
        })
    }
}

/// A new verification, its challenge judged.
struct Judged<'a> {
    case: &'a Case,
    conclusion: &'a Conclusion,
    check: Option<Check>,
}

impl Judged<'_> {
    fn verdict(&self) -> Verdict {
        if self.check == self.conclusion.check {
            self.conclusion.report.verdict
        } else {
            self.case.decided.clone().with(self.check).verdict
        }
    }
}

type Answers = Vec<Result<Answer, Problem>>;

impl Ledger {
    /// Commits entries of different idempotency keys; on PostgreSQL they are one tenant's. An answer for each, in their order.
    pub(super) async fn commit(&self, entries: &[&Entry]) -> Result<Answers, Failure> {
        for _ in 0..BEGINNINGS {
            let scope = entries.first().map(|entry| entry.scope);
            let transaction = match scope {
                Some(scope) if self.db.is_walled() => self.db.begin_write(scope).await,
                _ => begin_write(self.db.worker()).await,
            };
            let transaction = transaction.map_err(|error| Failure::OfAll(error.into()))?;
            if let Some(answers) = self.write(&transaction, entries).await? {
                // Whether a commit that fails came through is not known: nobody is tried again here.
                let committed = transaction.commit().await;
                committed.map_err(|error| Failure::OfAll(error.into()))?;
                self.relay.wake();
                return Ok(answers);
            }
            let undone = transaction.rollback().await;
            undone.map_err(|error| Failure::OfAll(error.into()))?;
        }
        Err(Failure::OfAnEntry(Problem::new(
            Code::Unavailable,
            "Other requests with this Idempotency-Key are under way. Repeat it.",
        )))
    }

    /// Writes everything. `None`: another process has just answered one of the keys; the transaction is to begin again.
    async fn write(
        &self,
        on: &DatabaseTransaction,
        entries: &[&Entry],
    ) -> Result<Option<Answers>, Error> {
        let known = Known::of(on, entries).await?;
        let mut answers: Vec<Option<Result<Answer, Problem>>> = Vec::with_capacity(entries.len());
        let mut new = Vec::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            match entry.once.replay(&known.given) {
                Ok(None) => {
                    new.push((place, *entry));
                    answers.push(None);
                }
                Ok(Some(before)) => answers.push(Some(self.again(on, entry, before).await?)),
                Err(error) => answers.push(Some(Err(error.into()))),
            }
        }
        let (judged, used) = judge(&new, known.challenges);
        let verifications: Vec<(&Case, Verdict)> = judged
            .iter()
            .flatten()
            .map(|one| (one.case, one.verdict()))
            .collect();
        let mut subjects =
            Subjects::find(on, &self.platform, known.subjects, &verifications).await?;
        let mut rows = Rows::default();
        let mut kept: Vec<(&Idempotency, Answer, Timestamp)> = Vec::with_capacity(new.len());
        for ((_, entry), judged) in new.iter().zip(judged) {
            let answer = match (&entry.work, judged) {
                (Work::Challenge(row, answer), _) => {
                    rows.challenges.push(row.clone());
                    answer.clone()
                }
                (Work::Verification(_), Some(judged)) => {
                    self.conclude(&judged, &mut subjects, &mut rows)?
                }
                (Work::Verification(_), None) => return Err(Error::Damaged("batch")),
            };
            kept.push((&entry.once, answer, entry.accepted_at));
        }
        let mut writes = Writes::on(on);
        if on.get_database_backend() == DbBackend::Sqlite {
            Idempotency::add_all(&mut writes, &kept)?;
        } else if !Idempotency::keep_all(on, &kept).await? {
            return Ok(None);
        }
        store::use_challenges(&mut writes, &used);
        subjects.insert(&mut writes)?;
        store::insert_challenges(&mut writes, rows.challenges)?;
        store::insert_verifications(&mut writes, rows.verifications)?;
        warikan_metering::add(&mut writes, &rows.operations)?;
        Outbox::add(&mut writes, rows.facts)?;
        writes.carry_out(on).await?;
        for ((place, _), (_, answer, _)) in new.iter().zip(kept) {
            answers[*place] = Some(Ok(answer));
        }
        let answers = answers.into_iter().collect::<Option<Vec<_>>>();
        answers.map(Some).ok_or(Error::Damaged("batch"))
    }

    /// The answer given before; a verification's lies in its row, and is gone where its subject was erased.
    async fn again(
        &self,
        on: &DatabaseTransaction,
        entry: &Entry,
        known: Answer,
    ) -> Result<Result<Answer, Problem>, Error> {
        let (Some(id), Work::Verification(work)) = (known.record(), &entry.work) else {
            return Ok(Ok(known));
        };
        let id = VerificationId::from_uuid(id);
        let row = store::verification(on, entry.scope, id).await?;
        match Kept::open(&work.0.sealer, entry.scope, &row) {
            Ok(kept) => Ok(Ok(conclude::answer_again(kept, &self.anchors.current()))),
            Err(Error::NotFound) => Ok(Err(IdempotencyError::Erased.into())),
            Err(error) => Err(error),
        }
    }

    /// One verification: whose it is, what is answered, and what is kept.
    fn conclude(
        &self,
        judged: &Judged<'_>,
        subjects: &mut Subjects,
        rows: &mut Rows,
    ) -> Result<Answer, Error> {
        let Judged { case, .. } = judged;
        let anew;
        let conclusion = if judged.check == judged.conclusion.check {
            judged.conclusion
        } else {
            anew = Conclusion::of(&self.platform, case, judged.check)?;
            &anew
        };
        let (subject, changed) = subjects.of(case, conclusion.report.verdict, &self.platform)?;
        let watch = conclude::watch_order(&self.platform, case, conclusion, subject.as_ref());
        let view = conclude::view(case, conclusion, subject, watch.as_ref());
        rows.verifications
            .push(conclude::row(case, conclusion, &view)?);
        let fact = conclude::completed(case, conclusion, &view, watch);
        let operation = MeteredOperation::of_verification(&fact);
        rows.operations.push((case.scope, operation));
        rows.facts.push(Envelope::of(
            self.platform.entropy.id(case.accepted_at),
            Some(case.scope),
            case.accepted_at,
            case.id.to_string(),
            &fact,
        ));
        rows.facts.extend(changed);
        Ok(conclude::answer(case, view))
    }
}

/// Which challenge a verification uses up.
type Use = (TenantScope, ChallengeId, uuid::Uuid);

/// Judges the challenges of new verifications in their order: of many answers to one challenge exactly one finds it unused, whether
/// the others are in this batch, in an earlier one, or in another process (F020). One entry each, `None` for what is no verification.
fn judge<'a>(
    new: &[(usize, &'a Entry)],
    mut rows: HashMap<(TenantScope, ChallengeId), ChallengeRow>,
) -> (Vec<Option<Judged<'a>>>, Vec<Use>) {
    let mut used = Vec::new();
    let mut judged = Vec::with_capacity(new.len());
    for (_, entry) in new {
        let Work::Verification(decided) = &entry.work else {
            judged.push(None);
            continue;
        };
        let (case, conclusion) = &**decided;
        let check = case.challenge.map(|id| {
            let mut row = rows.get_mut(&(case.scope, id));
            let check = challenge::judge(row.as_deref(), &case.submission.signed, case.accepted_at);
            if let Some(row) = &mut row
                && row.used_by.is_none()
            {
                row.used_by = Some(challenge::used_by(case.id));
                used.push((case.scope, id, challenge::used_by(case.id)));
            }
            check
        });
        judged.push(Some(Judged {
            case,
            conclusion,
            check,
        }));
    }
    (judged, used)
}
