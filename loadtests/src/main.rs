//! Measures the platform from outside: over HTTP on loopback, as a tenant meets it.
//!
//! A time alone says more about the machine than about the program. So each scenario takes its yardsticks in the same run (one
//! RSA verification by `openssl speed`, one HTTP round trip, one synced write) and reports how many times as long the
//! platform took. Everything is bounded: so many requests, so much patience, then an error.

mod arguments;
mod caller;
mod drive;
mod flood;
mod floors;
mod flows;
mod growth;
mod latency;
mod mixed;
mod naive;
mod overhead;
mod overload;
mod picture;
mod platform;
mod refusals;
mod report;
mod retention;
mod rows;
mod startup;
mod statistics;
mod throughput;
mod wire;
mod work;
#[path = "../../services/revocation/benches/ingest/write.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "the revocation bench's own, of which only the one great list is made here"
)]
mod write;
mod yardstick;

use std::{io::stdout, time::Duration};

use clap::Parser;

use crate::{
    arguments::{Arguments, Scenario, Under},
    caller::Certificate,
    floors::Floors,
    flows::Flows,
    growth::Growth,
    latency::Latency,
    mixed::Mixed,
    overhead::Overhead,
    overload::Overload,
    retention::Retention,
    startup::Startup,
    throughput::Throughput,
    work::Work,
};

fn main() -> anyhow::Result<()> {
    let scenario = match Arguments::parse().scenario {
        // Threads as many as cores, as the platform has.
        Scenario::Naive { database, roots } => {
            return actix_web::rt::System::new().block_on(naive::serve(&database, &roots));
        }
        Scenario::Picture {
            results,
            table,
            picture,
        } => return picture::draw(&results, &table, &picture),
        scenario => scenario,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(scenario))
}

async fn run(scenario: Scenario) -> anyhow::Result<()> {
    let mut out = stdout();
    match scenario {
        Scenario::VerifyThroughput {
            under,
            count,
            rate,
            baseline,
            naive,
        } => {
            let (place, work, mut report) = under.parts(count);
            let scenario = Throughput {
                place,
                work,
                rate,
                baseline,
                naive,
            };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::Login { under, seconds } => {
            flows("login", Certificate::Authentication, under, seconds, 4).await
        }
        Scenario::Soak { under, seconds } => {
            flows("soak", Certificate::Signature, under, seconds, 20).await
        }
        Scenario::Mixed {
            under,
            count,
            entries,
        } => {
            let (place, work, mut report) = under.parts(count);
            let work = Work {
                watch: true,
                ..work
            };
            let entries = u64::from(entries);
            let scenario = Mixed {
                place,
                work,
                entries,
            };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::Overload { under, count } => {
            let (place, work, mut report) = under.parts(count);
            let scenario = Overload { place, work };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::Floors { under, count } => {
            let (place, work, mut report) = under.parts(count);
            Floors { place, work }.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::Growth { under, count, rows } => {
            let (place, work, mut report) = under.parts(count);
            let scenario = Growth { place, work, rows };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::Retention { under, count, rows } => {
            let (place, work, mut report) = under.parts(count);
            let scenario = Retention { place, work, rows };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        one_client => alone(one_client).await,
    }
}

/// Challenge and verification for so long, with so many lines in the table.
async fn flows(
    name: &'static str,
    certificate: Certificate,
    under: Under,
    seconds: u32,
    lines: u32,
) -> anyhow::Result<()> {
    let mut out = stdout();
    let (place, work, mut report) = under.parts(0);
    // Those with cards of their own are made one by one.
    let citizens = match certificate {
        Certificate::Signature => work.citizens,
        Certificate::Authentication => work.citizens.min(50),
    };
    let lasts = Duration::from_secs(u64::from(seconds));
    let scenario = Flows {
        name,
        place,
        certificate,
        clients: work.clients,
        tenants: work.tenants,
        citizens,
        lasts,
        interval: lasts / lines,
    };
    scenario.run(&mut out, &mut report).await?;
    report.end(&mut out)
}

/// The scenarios with one client.
async fn alone(scenario: Scenario) -> anyhow::Result<()> {
    let mut out = stdout();
    match scenario {
        Scenario::VerifyLatency {
            where_,
            count,
            warm_up,
            repeat,
            results,
        } => {
            let place = where_.place()?;
            let mut report = results.report();
            let scenario = Latency {
                place,
                count,
                warm_up,
                repeat,
            };
            scenario.run(&mut out, &mut report).await?;
            report.end(&mut out)
        }
        Scenario::ProxyOverhead {
            bin,
            count,
            warm_up,
            repeat,
        } => {
            let scenario = Overhead {
                binary: bin,
                count,
                warm_up,
                repeat,
            };
            scenario.run(&mut out).await
        }
        Scenario::Flood(scenario) => scenario.run(&mut out).await,
        Scenario::Refusals(scenario) => scenario.run(&mut out).await,
        Scenario::Startup { bin, count, repeat } => {
            Startup { bin, count, repeat }.run(&mut out).await
        }
        _ => anyhow::bail!("a scenario that nobody runs"),
    }
}
