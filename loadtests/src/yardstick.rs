//! What the platform's times are held against, taken on the same machine in the same minute.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::statistics::Sample;

/// One RSA-2048 verification by OpenSSL on one core, as `openssl speed` tells it.
///
/// # Errors
/// There is no `openssl`, or it answers in a form that is not known here.
pub(crate) fn rsa_verify() -> anyhow::Result<Duration> {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "1", "-mr", "rsa2048"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cannot run openssl")?;
    parse_speed(&String::from_utf8_lossy(&output.stdout))
}

/// RSA-2048 verifications a second on so many cores at once.
///
/// # Errors
/// As [`rsa_verify`].
pub(crate) fn rsa_verifications_a_second(cores: usize) -> anyhow::Result<u64> {
    let each: Vec<_> = (0..cores).map(|_| std::thread::spawn(rsa_verify)).collect();
    let mut rate = 0;
    for one in each {
        let took = one
            .join()
            .map_err(|_| anyhow::anyhow!("openssl's watcher panicked"))??;
        rate += 1_000_000_000 / u64::try_from(took.as_nanos().max(1))?;
    }
    Ok(rate)
}

/// The machine-readable line of OpenSSL 3: `+F2:<index>:<bits>:<signatures a second>:<verifications a second>`.
fn parse_speed(text: &str) -> anyhow::Result<Duration> {
    let rate = text
        .lines()
        .filter_map(|line| line.strip_prefix("+F2:"))
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find_map(|fields| match fields.as_slice() {
            [_, "2048", _, verified, ..] => Some((*verified).to_owned()),
            _ => None,
        })
        .context("openssl speed told no rate for rsa2048")?;
    let whole: u64 = rate.split('.').next().unwrap_or_default().parse()?;
    if whole == 0 {
        bail!("openssl speed tells {rate}, which is no rate: this is OpenSSL 1");
    }
    Ok(Duration::from_nanos(1_000_000_000 / whole))
}

/// One append of a database page that is synced to the disk: what each durable commit pays at least.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn synced_write(directory: &Path) -> anyhow::Result<Duration> {
    const WRITES: usize = 200;
    let mut file = tempfile::tempfile_in(directory)?;
    let page = [0x5a; 4_096];
    let mut measured = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        measured.push(begun.elapsed());
    }
    Ok(Sample::new(measured).median())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_machine_readable_line() {
        let said =
            "+DTP:2048:private:rsa:1\n+R1:2500:2048:1.00\n+F2:2:2048:2518.965517:51883.333333\n";
        assert_eq!(parse_speed(said).unwrap(), Duration::from_nanos(19_274));
        assert!(parse_speed("+F2:2:4096:1.0:2.0\n").is_err());
        assert!(parse_speed("+F2:2:2048:0.000397:0.000019\n").is_err());
        assert!(parse_speed("").is_err());
    }
}
