//! `growth`: what a verification costs with ten million stored ones, beside what it costs with none.
//!
//! The first half on a fresh platform; then the platform stops, and rows are put beside the ones it wrote: copies of one of each table with
//! keys of their own, ordered or random as the platform's own are, their sealed parts cut short (they lie at the right edge of the tables and
//! are never read again, but 60 GB take long to write). Then the platform starts again, and the second half follows.

use std::{io::Write, time::Instant};

use crate::{
    drive::Pace,
    platform::{Place, Platform},
    report::{Budget, Report},
    rows::{Growing, New},
    work::{Part, Work, line},
};

const NAME: &str = "growth";
/// The scenario.
pub(crate) struct Growth {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// Stored verifications.
    pub(crate) rows: u64,
}

/// What grows with every verification. A tenth of them are of certificates not seen before.
const TABLES: &[Growing] = &[
    Growing {
        service: "verification",
        table: "verification",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("answer", New::Cut),
            ("evidence", New::Cut),
            ("subject", New::Random),
        ],
    },
    // Kept for two days: as many as a very busy two days bring, not all.
    Growing {
        service: "verification",
        table: "idempotent_answer",
        percent: 10,
        new: &[("place", New::Digest), ("answer", New::Cut)],
    },
    Growing {
        service: "verification",
        table: "metered_operation",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("month", New::OldMonth),
            ("accepted_at", New::Old),
        ],
    },
    Growing {
        service: "verification",
        table: "subject",
        percent: 10,
        new: &[("id", New::Ordered), ("reference_digest", New::Octets)],
    },
    Growing {
        service: "verification",
        table: "subject_certificate",
        percent: 10,
        new: &[("handle", New::Random), ("subject", New::Random)],
    },
    Growing {
        service: "webhooks",
        table: "feed_event",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("sequence", New::Sequence),
            ("body", New::CutText),
        ],
    },
    Growing {
        service: "billing",
        table: "usage_record",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("operation", New::Text),
            ("month", New::OldMonth),
            ("bill_month", New::OldMonth),
            ("accepted_at", New::Old),
        ],
    },
];

impl Growth {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "{NAME}: {} verifications before and after {} rows, {} clients\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.work.count / 2,
            self.rows,
            self.work.clients
        )?;
        let platform = Platform::at(&self.place).await?;
        let (before, platform) = half(&self.work, platform).await?;
        line(out, "nothing stored", &before, None, "")?;
        let directory = platform.stop().await?;
        let begun = Instant::now();
        for table in TABLES {
            let rows = self.rows * table.percent / 100;
            table.grow(&directory.path().join("data"), rows).await?;
        }
        Growing::close_months(&directory.path().join("data")).await?;
        let seeded = begun.elapsed().as_secs();
        let platform = Platform::over(&self.place, &[], directory).await?;
        let (after, _) = half(&self.work, platform).await?;
        let name = format!("{} stored (put there in {seeded} s)", self.rows);
        line(out, &name, &after, None, "")?;
        let percent = before.rate() * 100 / after.rate().max(1);
        report.budget(Budget::at_most(
            NAME,
            "cost with ten million stored, percent of that with none",
            percent,
            120,
        ));
        let percent = after.each() * 100 / before.each().max(1);
        report.figure(NAME, "processor time, percent of that with none", percent);
        Ok(())
    }
}

/// Half of the work by new tenants, after a tenth of it to warm up.
pub(crate) async fn half(work: &Work, platform: Platform) -> anyhow::Result<(Part, Platform)> {
    let warm_up = work.count / 10;
    let work = Work {
        count: warm_up + work.count / 2,
        ..*work
    };
    let stage = work.on(platform).await?;
    let (_, ids) = work.challenges(&stage).await?;
    let pace = Pace::Closed(work.clients);
    work.verifications(&stage, &ids, 0..warm_up, pace).await?;
    let part = work
        .verifications(&stage, &ids, warm_up..work.count, pace)
        .await?;
    work.told(&stage, work.count).await?;
    Ok((part, stage.host.into_platform()?))
}
