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
    Verdict::Retry(now.plus(wait.max(asked(config, ending))))
}

/// The longest an endpoint is left alone because it answered that it is overloaded, where it does not say for how long.
const THROTTLE_CAP: Duration = Duration::from_secs(300);

/// For how long an endpoint is left alone that answers that it is overloaded (429, 502, 503, 504): a second, doubling with every
/// such answer in a row, or for as long as its `Retry-After` asks, within the cap. `None` where the answer says nothing of the
/// kind.
pub(crate) fn throttle(config: &Config, step: i32, ending: &Ending) -> Option<Duration> {
    if !matches!(ending.status, Some(429 | 502 | 503 | 504)) {
        return None;
    }
    let doublings = u32::try_from(step.clamp(0, 9)).unwrap_or(0);
    let own = Duration::from_secs(1 << doublings).min(THROTTLE_CAP);
    Some(own.max(asked(config, ending)))
}

/// What `Retry-After` asks for, within the cap.
fn asked(config: &Config, ending: &Ending) -> Duration {
    let cap = Duration::from_secs(config.retry_after_cap_seconds);
    ending.retry_after.unwrap_or_default().min(cap)
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

    #[test]
    fn f066_an_overloaded_endpoint_is_left_alone_longer_and_longer() {
        let config = Config::default();
        let wait = |step, status, asked| {
            let ending = Ending {
                status: Some(status),
                retry_after: asked,
            };
            throttle(&config, step, &ending).map(|wait| wait.as_secs())
        };
        let waits: Vec<_> = (0..11).filter_map(|step| wait(step, 503, None)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        for status in [429, 502, 503, 504] {
            assert_eq!(wait(0, status, None), Some(1));
        }
        for status in [200, 400, 410, 500, 501, 505] {
            assert_eq!(wait(3, status, Some(Duration::from_secs(60))), None);
        }
        assert_eq!(wait(0, 429, Some(Duration::from_secs(900))), Some(900));
        assert_eq!(wait(4, 429, Some(Duration::from_secs(2))), Some(16));
        assert_eq!(wait(0, 503, Some(Duration::MAX)), Some(86_400));
    }
}
