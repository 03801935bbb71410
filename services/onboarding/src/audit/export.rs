//! The trail as lines of JSON: each chain's records, its head, and a last line.

use sea_orm::{ConnectionTrait, DbErr};
use warikan_http::{Lines, ReaderGone};
use warikan_types::TenantScope;

use super::{Head, Line};
use crate::{
    Onboarding,
    store::audit::{self as store, Whose},
};

/// Rows that are read at once.
const AT_ONCE: u64 = 500;

/// An export ended before its last line; its reader sees the connection cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Gone(#[from] ReaderGone),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Onboarding {
    /// Tells all records of these chains up to the heads that stand now: what is appended meanwhile is not told.
    pub(crate) async fn export_audit(
        &self,
        whose: Whose,
        lines: &mut Lines,
    ) -> Result<(), ExportError> {
        let (mut chains, mut records) = (0, 0);
        let mut after: Option<String> = None;
        loop {
            let heads = match whose {
                Whose::Own(scope) => {
                    let db = self.0.db.begin_read(scope).await?;
                    store::heads(&db, whose, after.as_deref(), AT_ONCE).await?
                }
                _ => store::heads(self.0.db.worker(), whose, after.as_deref(), AT_ONCE).await?,
            };
            let Some(last) = heads.last() else { break };
            after = Some(last.chain.clone());
            for head in heads {
                chains += 1;
                records += self.export_chain(whose, &head, lines).await?;
                lines.tell(&Line::Head(head)).await?;
            }
        }
        lines.tell(&Line::End { chains, records }).await?;
        Ok(())
    }

    async fn export_chain(
        &self,
        whose: Whose,
        head: &Head,
        lines: &mut Lines,
    ) -> Result<u64, ExportError> {
        let (mut after, mut told) = (0, 0);
        while after < head.length {
            let page = match whose {
                Whose::Own(scope) => self.own_page(scope, head, after).await?,
                _ => page(self.0.db.worker(), head, after).await?,
            };
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for record in page {
                if record.sequence <= head.length {
                    told += 1;
                    lines.tell(&Line::Record(record)).await?;
                }
            }
        }
        Ok(told)
    }

    async fn own_page(
        &self,
        scope: TenantScope,
        head: &Head,
        after: i64,
    ) -> Result<Vec<super::Record>, DbErr> {
        let db = self.0.db.begin_read(scope).await?;
        page(&db, head, after).await
    }
}

async fn page<C: ConnectionTrait>(
    on: &C,
    head: &Head,
    after: i64,
) -> Result<Vec<super::Record>, DbErr> {
    store::of_chain(on, &head.chain, after, AT_ONCE).await
}
