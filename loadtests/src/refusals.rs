//! `refusals`: how long the token endpoint takes to refuse a wrong secret of a client that exists, and the same of one that does not (F015).
//!
//! Whoever guesses measures. Both are asked in turn, so that whatever else the machine does meets both, each over the same connection and with
//! a secret of its own; a median apart by more than the measurement's own noise would tell which clients exist. The noise is shown
//! by a second row: existing clients' refusals, every other one against those between.

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    caller::Caller,
    platform::{Place, Platform},
    statistics::{Micros, Sample},
};

/// The scenario.
#[derive(clap::Args)]
pub(crate) struct Refusals {
    /// The `warikan` binary.
    #[arg(long)]
    bin: PathBuf,
    /// Refusals of either kind.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    count: u32,
}

/// Refusals before those that are measured: the first of a kind is written into the trail.
const WARM_UP: u32 = 50;
/// Clients that are guessed at are counted by address and by name; here both would end the measurement.
const NO_LIMITS: [(&str, &str); 2] = [
    ("WARIKAN_LIMITS__REFUSED_TOKENS_PER_MINUTE", "0"),
    ("WARIKAN_LIMITS__TOKEN_REQUESTS_PER_MINUTE", "0"),
];

impl Refusals {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let platform = Platform::with(&Place::Binary(self.bin.clone()), &NO_LIMITS).await?;
        let credential = platform.sandbox_credential().await?;
        let known = credential["client_id"].as_str().unwrap_or_default();
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for number in 0..WARM_UP + self.count {
            let nobody = format!("cli_{:032x}", u128::from(number) << 64 | 7);
            let took = (
                refused(&platform.anyone, known, number).await?,
                refused(&platform.anyone, &nobody, number).await?,
            );
            if number >= WARM_UP {
                there.push(took.0);
                absent.push(took.1);
            }
        }
        let half = |rest: usize| {
            let every = there.iter().skip(rest).step_by(2);
            Sample::new(every.copied().collect())
        };
        let (even, odd) = (half(0), half(1));
        let (there, absent) = (Sample::new(there), Sample::new(absent));
        writeln!(
            out,
            "refusals: {} of either kind, in turn, one client\n\n| median (us) | | apart |\n|---:|---:|---:|",
            self.count
        )?;
        let mut row = |names: (&str, &str), one: &Sample, other: &Sample| {
            let (a, b) = (one.median(), other.median());
            writeln!(
                out,
                "| {} {} | {} {} | {} |",
                Micros(a),
                names.0,
                Micros(b),
                names.1,
                share(a, b)
            )
        };
        row(("the client exists", "it does not"), &there, &absent)?;
        row(
            ("the client exists", "the same, the others of them"),
            &even,
            &odd,
        )?;
        Ok(())
    }
}

async fn refused(anyone: &Caller, client: &str, number: u32) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let answer: Value = anyone
        .sign_in(client, &format!("wks_{number:043}"), 401)
        .await?;
    let took = begun.elapsed();
    anyhow::ensure!(answer["error"] == "invalid_client", "{answer}");
    Ok(took)
}

/// By how much one is more than the other, in tenths of a percent of it.
fn share(one: Duration, other: Duration) -> String {
    let (more, less) = (one.max(other), one.min(other));
    let tenths = (more - less).as_nanos() * 1_000 / less.as_nanos().max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}
