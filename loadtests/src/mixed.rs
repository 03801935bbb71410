//! `mixed`: verifications while a list of five million entries is taken over, and while a campaign checks a portfolio.
//!
//! One platform, one closed loop. First nothing else happens; then a list lies in the drop folder of production, and meanwhile as many
//! verifications are made as the taking over lasts; then the same beside a campaign over all customers. The sandbox's verifications
//! and production's list meet on cores, memory and disk, not in the same rows.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use warikan_simulator::Layout;
use warikan_types::{Clock, Timestamp};

use crate::{
    drive::Pace,
    platform::Place,
    report::{Budget, Report},
    work::{Part, Stage, Work, line},
    write::{self, Agency, Day, Series, Shape},
};

const NAME: &str = "mixed";
/// How long a list or a campaign may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The scenario.
pub(crate) struct Mixed {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// Entries of the list.
    pub(crate) entries: u64,
}

/// Serials as J-LIS gives them.
const SERIES: Series = Series {
    first: 100_000_000,
    stride: 16,
};

/// A little more than a day ago, so that the list of the day after is today's.
fn yesterday() -> Timestamp {
    Clock::system().now().minus(Duration::from_secs(25 * 3_600))
}

/// Where production's anchors and lists lie.
struct Lists {
    folder: TempDir,
    /// Beside the drop folder, whole; renamed into it.
    ready: PathBuf,
}

impl Lists {
    fn make(entries: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (anchors, drop) = (folder.path().join("anchors"), folder.path().join("drop"));
        fs::create_dir(&anchors)?;
        fs::create_dir(&drop)?;
        let mut agency = Agency::beginning(1, yesterday());
        for (number, root) in agency.simulator.roots().iter().enumerate() {
            fs::write(anchors.join(format!("{number}.cer")), &root.der)?;
        }
        let days = agency.days(Layout::Complete);
        // Without any list production is not ready: yesterday's, as the agency made it, without entries.
        let first = days.yesterday.first().context("no list was made")?;
        fs::write(drop.join("list.crl"), &first.der)?;
        let list = days.today.first().context("no list was made")?;
        let entries = write::entries(SERIES, entries, Day::Today, Shape::Usual);
        let ready = folder.path().join("list.ready");
        fs::write(&ready, agency.fill(list, &entries))?;
        Ok(Self { folder, ready })
    }

    fn dropped(&self) -> PathBuf {
        self.folder.path().join("drop").join("list.crl")
    }

    fn lay(&self) -> anyhow::Result<()> {
        Ok(fs::rename(&self.ready, self.dropped())?)
    }

    fn is_taken(&self) -> bool {
        !self.dropped().exists()
    }

    fn configuration(&self) -> String {
        let path = self.folder.path();
        let source = format!("file://{}/", path.join("drop").display());
        format!(
            "[production]\nanchors = {:?}\n[revocation]\nsync_period_seconds = 1\n\
             [[revocation.sources]]\nenvironment = \"production\"\nindex_url = {source:?}\n",
            path.join("anchors")
        )
    }
}

/// What a part took, and how long the other thing took beside it.
struct Beside {
    part: Part,
    other: Duration,
}

impl Mixed {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let lists = Lists::make(self.entries)?;
        let configuration = lists.folder.path().join("warikan.toml");
        fs::write(&configuration, lists.configuration())?;
        let settings = [("WARIKAN_CONFIG_FILE", text(&configuration)?)];
        let work = self.work;
        let stage = work.stage(&self.place, &settings).await?;
        let (_, ids) = work.challenges(&stage).await?;
        writeln!(
            out,
            "{NAME}: {} verifications in parts, {} clients; a list of {} entries, and a campaign\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | the other thing took (ms) | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            work.count, work.clients, self.entries
        )?;
        let third = work.count / 3;
        let pace = Pace::Closed(work.clients);
        let quiet = work.verifications(&stage, &ids, 0..third, pace).await?;
        self.row(out, "nothing else", &stage, &quiet, None)?;
        lists.lay()?;
        let ingest = async {
            let begun = Instant::now();
            while !lists.is_taken() {
                ensure!(begun.elapsed() < PATIENCE, "the list is not taken over");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(begun.elapsed())
        };
        let ingest = self
            .beside(&stage, &ids[..], third..2 * third, ingest)
            .await?;
        self.row(
            out,
            "beside the list",
            &stage,
            &ingest.part,
            Some(ingest.other),
        )?;
        let campaign = self.campaign(&stage);
        let campaign = self
            .beside(&stage, &ids[..], 2 * third..work.count, campaign)
            .await?;
        self.row(
            out,
            "beside a campaign",
            &stage,
            &campaign.part,
            Some(campaign.other),
        )?;
        let percent = |part: &Part| part.rate() * 100 / quiet.rate().max(1);
        report.figure(NAME, "nothing else, a second", quiet.rate());
        report.figure(NAME, "list taken over (ms)", ingest.other.as_millis());
        report.budget(Budget::at_least(
            NAME,
            "beside the list, percent of quiet",
            percent(&ingest.part),
            70,
        ));
        report.figure(
            NAME,
            "beside a campaign, percent of quiet",
            percent(&campaign.part),
        );
        Ok(())
    }

    /// Verifications for as long as something else lasts: in slices, so that little is measured beyond its end.
    async fn beside(
        &self,
        stage: &Stage,
        ids: &[String],
        which: std::ops::Range<usize>,
        other: impl Future<Output = anyhow::Result<Duration>>,
    ) -> anyhow::Result<Beside> {
        let slice = (which.len() / 8).max(self.work.clients);
        let verifying = async {
            let mut parts = Vec::new();
            let mut from = which.start;
            while from < which.end {
                let to = (from + slice).min(which.end);
                let pace = Pace::Closed(self.work.clients);
                let part = self.work.verifications(stage, ids, from..to, pace).await?;
                parts.push((Instant::now(), part));
                from = to;
            }
            anyhow::Ok(parts)
        };
        let timed = async { anyhow::Ok((other.await?, Instant::now())) };
        let (parts, (other, ended)) = tokio::try_join!(verifying, timed)?;
        // Slices that ended after it saw the quiet again.
        let during = parts.iter().filter(|(at, _)| *at <= ended).count();
        let parts = parts.into_iter().take(during.max(1)).map(|(_, part)| part);
        let part = Part::sum(parts).context("nothing was verified")?;
        Ok(Beside { part, other })
    }

    /// A campaign over everything that the first tenant watches.
    async fn campaign(&self, stage: &Stage) -> anyhow::Result<Duration> {
        let firm = &stage.firms[0];
        let begun = Instant::now();
        let order = json!({ "selector": "all" });
        let mut view = firm.post("/v1/campaigns", &order, 201).await?;
        let path = format!("/v1/campaigns/{}", view["id"].as_str().context("no id")?);
        while view["state"] != "completed" {
            ensure!(
                begun.elapsed() < PATIENCE,
                "the campaign does not end: {view}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
            view = firm.get(&path).await?;
        }
        let checked: Option<&Value> = view.get("counts");
        ensure!(checked.is_some(), "a campaign without counts: {view}");
        Ok(begun.elapsed())
    }

    fn row(
        &self,
        out: &mut impl Write,
        name: &str,
        stage: &Stage,
        part: &Part,
        other: Option<Duration>,
    ) -> anyhow::Result<()> {
        let other = other.map_or(String::new(), |took| took.as_millis().to_string());
        let resident = stage.host.resident()? / 1024;
        line(out, name, part, None, &format!("{other} | {resident}"))
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}
