//! When to try again. Pure: the same attempt, time and draw give the same decision.

use std::time::Duration;

use warikan_types::{Entropy, Timestamp};

use crate::config::Config;

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The endpoint answered 2xx.
    Delivered,
    /// Not yet.
    Retry(Timestamp),
    /// The ladder is at its end.
    Failed,
    /// The endpoint answered 410: it wants no more.
    Gone,
}

/// How an attempt ended, as far as the schedule cares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// The status, where an answer came.
    pub status: Option<u16>,
    /// `Retry-After`, as a length from now.
    pub retry_after: Option<Duration>,
}

impl Ending {
    pub(crate) fn succeeded(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// Judges the `tries`-th attempt of a round (from 1).
pub(crate) fn judge(
    config: &Config,
    entropy: &Entropy,
    tries: i32,
    ending: &Ending,
    now: Timestamp,
) -> Verdict {
    if ending.succeeded() {
        return Verdict::Delivered;
    }
    if ending.status == Some(410) {
        return Verdict::Gone;
    }
    let rung = usize::try_from(tries - 1).unwrap_or(0);
    let Some(seconds) = config.retry_seconds.get(rung) else {
        return Verdict::Failed;
    };
    let wait = jittered(
        Duration::from_secs(*seconds),
        config.jitter_percent,
        entropy,
    );
    let asked = ending
        .retry_after
        .unwrap_or_default()
        .min(Duration::from_secs(config.retry_after_cap_seconds));
    Verdict::Retry(now.plus(wait.max(asked)))
}

/// Moves a wait by up to `percent` either way, evenly, in steps of a hundredth of a percent.
fn jittered(wait: Duration, percent: u8, entropy: &Entropy) -> Duration {
    const WHOLE: u32 = 10_000;
    let reach = u32::from(percent) * 100;
    if reach == 0 {
        return wait;
    }
    let draw = u32::from_be_bytes(entropy.bytes()) % (2 * reach + 1);
    wait / WHOLE * (WHOLE - reach + draw)
}

/// Reads `Retry-After` (RFC 9110 10.2.3): seconds, or a date of the preferred form.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number too long to read is a wish for very long; the cap cuts it.
        return Some(Duration::from_secs(
            text.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::new(at.with_timezone(&chrono::Utc)).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T00:00:00Z".parse().unwrap()
    }
    fn ending(status: u16) -> Ending {
        Ending {
            status: Some(status),
            retry_after: None,
        }
    }

    #[test]
    fn f066_the_ladder_with_and_without_jitter() {
        let entropy = Entropy::seeded(1);
        let plain = Config {
            jitter_percent: 0,
            ..Config::default()
        };
        let waits: Vec<Option<u64>> = (1..=8)
            .map(
                |tries| match judge(&plain, &entropy, tries, &ending(500), now()) {
                    Verdict::Retry(at) => Some(at.since(now()).as_secs()),
                    Verdict::Failed => None,
                    other => panic!("{other:?}"),
                },
            )
            .collect();
        let ladder = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].map(Some);
        assert_eq!(waits[..7], ladder);
        assert_eq!(waits[7], None);

        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let Verdict::Retry(at) = judge(&Config::default(), &entropy, 2, &ending(500), now())
            else {
                panic!("a second try is followed by a third");
            };
            let wait = at.since(now());
            assert!((Duration::from_secs(240)..=Duration::from_secs(360)).contains(&wait));
            seen.insert(wait);
        }
        assert!(seen.len() > 400, "the draw must spread");
        assert!(seen.first() < Some(&Duration::from_secs(245)));
        assert!(seen.last() > Some(&Duration::from_secs(355)));
    }

    #[test]
    fn f066_only_2xx_is_success_and_410_ends() {
        let (config, entropy) = (Config::default(), Entropy::seeded(1));
        let verdict = |status| judge(&config, &entropy, 1, &ending(status), now());
        for status in [200, 201, 204, 299] {
            assert_eq!(verdict(status), Verdict::Delivered);
        }
        for status in [100, 199, 300, 301, 304, 307, 400, 404, 429, 500, 503] {
            assert!(matches!(verdict(status), Verdict::Retry(_)), "{status}");
        }
        assert_eq!(verdict(410), Verdict::Gone);
        let silent = Ending {
            status: None,
            retry_after: None,
        };
        assert!(matches!(
            judge(&config, &entropy, 1, &silent, now()),
            Verdict::Retry(_)
        ));
    }

    #[test]
    fn f066_retry_after_is_honoured_within_the_cap() {
        let config = Config {
            jitter_percent: 0,
            ..Config::default()
        };
        let wait = |text: &str| {
            let ending = Ending {
                status: Some(429),
                retry_after: retry_after(text, now()),
            };
            match judge(&config, &Entropy::seeded(1), 1, &ending, now()) {
                Verdict::Retry(at) => at.since(now()).as_secs(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wait("120"), 120);
        assert_eq!(wait("1"), 5, "never sooner than the ladder");
        assert_eq!(wait("Sat, 21 Nov 2026 01:00:00 GMT"), 3_600);
        assert_eq!(wait("Fri, 20 Nov 2026 01:00:00 GMT"), 5);
        assert_eq!(wait("31536000"), 86_400);
        assert_eq!(wait("99999999999999999999999999"), 86_400);
        for odd in ["", "-1", "soon", "1.5", "1e9"] {
            assert_eq!(wait(odd), 5, "{odd}");
        }
    }
}
