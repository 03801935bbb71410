//! `retention`: verifications while what has served its time is removed.
//!
//! The first half on a fresh platform; then millions of answers and challenges of long ago are put beside its rows. The platform starts
//! again and removes them, as it does every hour, and the second half is made meanwhile.

use std::io::Write;

use anyhow::ensure;

use crate::{
    growth::half,
    platform::{Place, Platform},
    report::{Budget, Report},
    rows::{Growing, New},
    work::{Work, line},
};

const NAME: &str = "retention";

/// The scenario.
pub(crate) struct Retention {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// Old answers, and as many challenges.
    pub(crate) rows: u64,
}

/// What is removed, and the column that says how old it is.
const TABLES: [(Growing, &str); 2] = [
    (
        Growing {
            service: "verification",
            table: "idempotent_answer",
            percent: 100,
            new: &[
                ("place", New::Digest),
                ("answer", New::Cut),
                ("created_at", New::Old),
            ],
        },
        "created_at",
    ),
    (
        Growing {
            service: "verification",
            table: "challenge",
            percent: 100,
            new: &[("id", New::Ordered), ("expires_at", New::Old)],
        },
        "expires_at",
    ),
];

impl Retention {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "{NAME}: {} verifications before and while twice {} rows are removed, {} clients\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | removed | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.work.count / 2,
            self.rows,
            self.work.clients
        )?;
        let platform = Platform::at(&self.place).await?;
        let (quiet, platform) = half(&self.work, platform).await?;
        line(out, "nothing to remove", &quiet, None, "")?;
        let directory = platform.stop().await?;
        let data = directory.path().join("data");
        for (table, _) in &TABLES {
            table.grow(&data, self.rows * table.percent / 100).await?;
        }
        let platform = Platform::over(&self.place, &[], directory).await?;
        let (beside, platform) = half(&self.work, platform).await?;
        let mut left = 0;
        for (table, column) in &TABLES {
            left += u64::try_from(table.old(&data, column).await?)?;
        }
        drop(platform);
        let removed = (2 * self.rows).saturating_sub(left);
        line(
            out,
            "while they are removed",
            &beside,
            None,
            &removed.to_string(),
        )?;
        ensure!(removed > 0, "nothing was removed");
        ensure!(left > 0, "all was removed before the end: give more --rows");
        report.figure(NAME, "rows removed meanwhile", u128::from(removed));
        let percent = beside.rate() * 100 / quiet.rate().max(1);
        report.figure(NAME, "a second, percent of quiet", percent);
        let p99 = |part: &crate::work::Part| part.latencies.percentile(99).as_micros();
        report.budget(Budget::at_most(
            NAME,
            "p99, percent of quiet",
            p99(&beside) * 100 / p99(&quiet).max(1),
            150,
        ));
        Ok(())
    }
}
