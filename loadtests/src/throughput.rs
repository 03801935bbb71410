//! `verify-throughput`: many clients on loopback, on the same cores as the platform.
//!
//! Every verification uses up a challenge of its own, names its customer and comes under an Idempotency-Key of its own; every answer
//! must be `valid`. The challenges are made before, by the same clients, and are a figure too. *Closed loop*: each client sends its next
//! request when it has its answer. *Open loop* (`--rate`): requests begin at their moments whatever became of the earlier ones, and
//! latency counts from the moment at which a request should have begun, so that a stall counts for all that it held up.
//!
//! The limit is what two RSA-2048 verifications (the citizen's signature, the issuer's) cost on all cores, by `openssl speed` before
//! and after. The baseline is the same platform with one request in each commit.

use std::io::Write;

use crate::{
    drive::Pace,
    naive::Naive,
    platform::Place,
    report::{Budget, Report},
    work::{Host, Part, Work, line},
    yardstick,
};

const NAME: &str = "verify-throughput";

/// The scenario.
pub(crate) struct Throughput {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// Requests a second; closed loop without.
    pub(crate) rate: Option<u32>,
    /// Whether the platform with one request in each commit is measured too.
    pub(crate) baseline: bool,
    /// Whether the naive baseline is measured: `sqlite`, or the address of an empty PostgreSQL database.
    pub(crate) naive: Option<String>,
}

impl Throughput {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism()?.get();
        let before = yardstick::rsa_verifications_a_second(cores)?;
        let work = self.work;
        writeln!(
            out,
            "{NAME}: {} verifications, {} clients, {} tenants with {} citizens each\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | feeds whole after (ms) | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            work.count, work.clients, work.tenants, work.citizens
        )?;
        let (part, resident) = self.measure(out, "verification", before / 2, &[]).await?;
        if self.baseline {
            let alone = [("WARIKAN_VERIFICATION__ENTRIES_PER_COMMIT", "1")];
            let name = "one request in each commit";
            let (alone, _) = self.measure(out, name, before / 2, &alone).await?;
            report.figure(NAME, "one request in each commit, a second", alone.rate());
        }
        if let Some(database) = &self.naive {
            let naive = self.measure_naive(out, before / 2, database).await?;
            report.figure(NAME, "naive baseline, a second", naive.rate());
            let percent = part.rate() * 100 / naive.rate().max(1);
            let name = "percent of the naive baseline";
            report.budget(Budget::at_least(NAME, name, percent, 500));
        }
        let after = yardstick::rsa_verifications_a_second(cores)?;
        writeln!(
            out,
            "| limit: two RSA-2048 verifications on {cores} cores (openssl), before and after | {}, {} | 100 % | | | | | | | | |",
            before / 2,
            after / 2
        )?;
        let limit = u128::from(before + after) / 4;
        report.figure(NAME, "a second", part.rate());
        report.figure(NAME, "processor time each (us)", part.each());
        report.figure(NAME, "RSA limit, a second", limit);
        let percent = part.rate() * 100 / limit.max(1);
        report.budget(Budget::at_least(
            NAME,
            "percent of the RSA limit",
            percent,
            40,
        ));
        let p99 = part.latencies.percentile(99).as_micros();
        report.budget(Budget::at_most(NAME, "p99 (us)", p99, 100_000));
        // The goal is one process's; apart they are seven.
        if let Place::Split { .. } = self.place {
            report.figure(NAME, "memory of all processes (MiB)", u128::from(resident));
        } else {
            report.budget(Budget::at_most(
                NAME,
                "memory (MiB)",
                u128::from(resident),
                300,
            ));
        }
        Ok(())
    }

    /// What was measured, and the platform's memory afterwards in MiB.
    async fn measure(
        &self,
        out: &mut impl Write,
        name: &str,
        limit: u64,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Part, u64)> {
        let work = self.work;
        let stage = work.stage(&self.place, settings).await?;
        let (challenges, ids) = work.challenges(&stage).await?;
        let its = format!("{name}: its challenge");
        line(out, &its, &challenges, None, "")?;
        let part = work
            .verifications(&stage, &ids, 0..work.count, self.pace())
            .await?;
        // What was refused is not told; with refusals it is not known by whom so many are missing.
        let whole = match part.refused {
            0 => work.told(&stage, work.count).await?.as_millis().to_string(),
            _ => String::new(),
        };
        let resident = stage.host.resident()? / 1024;
        let rest = format!("{whole} | {resident}");
        line(out, name, &part, Some(limit), &rest)?;
        Ok((part, resident))
    }

    fn pace(&self) -> Pace {
        self.rate
            .map_or(Pace::Closed(self.work.clients), Pace::Open)
    }

    /// The naive baseline with what a platform's sandbox has signed.
    async fn measure_naive(
        &self,
        out: &mut impl Write,
        limit: u64,
        database: &str,
    ) -> anyhow::Result<Part> {
        let work = self.work;
        let mut stage = work.stage(&self.place, &[]).await?;
        let roots = stage.host.anyone().roots().await?;
        let folder = tempfile::tempdir()?;
        let database = match database {
            "sqlite" => format!(
                "sqlite://{}?mode=rwc",
                folder.path().join("naive.db").display()
            ),
            postgres => postgres.to_owned(),
        };
        let naive = Naive::start(&database, &roots, folder.path())?;
        stage.firms = vec![naive.caller.clone(); work.tenants];
        stage.host = Host::Naive(naive);
        let (challenges, ids) = work.challenges(&stage).await?;
        line(out, "naive: its challenge", &challenges, None, "")?;
        let part = work
            .verifications(&stage, &ids, 0..work.count, self.pace())
            .await?;
        line(out, "naive baseline", &part, Some(limit), "")?;
        Ok(part)
    }
}
