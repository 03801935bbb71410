//! `overload`: what becomes of those who are let in when five times as many come as can be served, and how soon all is well again (F087).
//!
//! In one process: the capacity by a closed loop; then open loops at half of it (the normal day), at five times, and at half again. Latency counts from the moment at which a request should have begun.

use std::{io::Write, time::Duration};

use anyhow::ensure;

use crate::{
    drive::Pace,
    platform::Place,
    report::{Budget, Report},
    work::{Part, Work, line},
};

const NAME: &str = "overload";
/// How many times the capacity.
const TIMES: usize = 5;
/// How long each open loop lasts; the flood longer, since what it does first (all are let in until it is clear that they are too many) is
/// no more than a moment of it.
const SECONDS: usize = 6;
const FLOOD: usize = 12;
/// How soon all has to be well again.
const RECOVERY: usize = 2;

/// The scenario.
pub(crate) struct Overload {
    pub(crate) place: Place,
    pub(crate) work: Work,
}

impl Overload {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "{NAME}: {} clients find the capacity, then open loops, {FLOOD} s of too many\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.work.clients
        )?;
        let probe = Work {
            count: 4_000,
            ..self.work
        };
        // As many as the whole run may need, for a platform that does so many a second at most.
        let all = Work {
            count: probe.count + self.work.count,
            ..self.work
        };
        let stage = all.stage(&self.place, &[]).await?;
        let (_, ids) = all.challenges(&stage).await?;
        let closed = Pace::Closed(all.clients);
        let found = all
            .verifications(&stage, &ids, 0..probe.count, closed)
            .await?;
        line(out, "capacity, closed loop", &found, None, "")?;
        let capacity = usize::try_from(found.rate())?.max(1);
        let mut from = probe.count;
        let mut open = async |name: &str, rate: usize, seconds: usize| -> anyhow::Result<Part> {
            let many = rate * seconds;
            ensure!(
                from + many <= all.count,
                "{capacity} a second is more than was prepared for: give a --count of {} or more",
                capacity * (FLOOD * TIMES + SECONDS + RECOVERY)
            );
            let which = from..from + many;
            from += many;
            // What the last part left behind is not this one's: half a second to breathe.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let pace = Pace::Open(u32::try_from(rate)?.max(1));
            let part = all.verifications(&stage, &ids, which, pace).await?;
            let resident = stage.host.resident()? / 1024;
            line(out, name, &part, None, &format!(" | {resident}"))?;
            Ok(part)
        };
        let normal = open("half of it, open loop", capacity / 2, SECONDS).await?;
        let flooded = open("five times as many", capacity * TIMES, FLOOD).await?;
        open("half of it, at once after", capacity / 2, RECOVERY).await?;
        let after = open("half of it again", capacity / 2, SECONDS).await?;
        let p99 = |part: &Part| part.latencies.percentile(99).as_micros();
        let normally = p99(&normal).max(1);
        report.figure(NAME, "capacity, a second", found.rate());
        report.figure(NAME, "accepted a second at five times", flooded.rate());
        report.figure(NAME, "p99 at capacity (us)", p99(&found));
        report.figure(NAME, "p99 at half of capacity (us)", normally);
        let percent = p99(&flooded) * 100 / p99(&found).max(1);
        report.budget(Budget::at_most(
            NAME,
            "p99 of the accepted, percent of that at capacity",
            percent,
            200,
        ));
        let percent = p99(&after) * 100 / normally;
        report.budget(Budget::at_most(
            NAME,
            "p99 afterwards, percent of before",
            percent,
            200,
        ));
        Ok(())
    }
}
