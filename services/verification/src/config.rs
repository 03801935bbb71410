//! What an operator may set.

use serde::Deserialize;
use warikan_status::OcspConfig;

/// Configuration of the verification service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a challenge may be answered, in seconds: long enough to read, find the card and type the password.
    pub challenge_seconds: u64,
    /// How far issuers' clocks may be ahead of ours, in seconds.
    pub clock_skew_seconds: u64,
    /// Requests that may wait for their commit at once; more are answered 503 with `Retry-After`. Their bodies are in memory, and the last of
    /// them waits for all before it: a third of a second on two cores.
    pub unanswered_writes: usize,
    /// Requests in one transaction at most: on SQLite everybody else waits for it.
    pub entries_per_commit: usize,
    /// Transactions that write at once, on PostgreSQL; below `database.pool_size`, so that reads find a connection. SQLite has one writer.
    pub concurrent_commits: usize,
    /// Examined certificates that a process remembers for ten minutes, about 8 KiB each; 0: none. A certificate that comes again costs one RSA
    /// verification less.
    pub examinations_kept: u64,
    /// Challenges that a process remembers until they are answered or their time is over, about 200 octets each; 0: none. An answer that comes to the
    /// process that made its challenge asks the database once less.
    pub challenges_kept: usize,
    /// The live question.
    pub ocsp: OcspConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            challenge_seconds: 600,
            clock_skew_seconds: 60,
            unanswered_writes: 512,
            entries_per_commit: 256,
            concurrent_commits: 4,
            examinations_kept: 4_096,
            challenges_kept: 65_536,
            ocsp: OcspConfig::default(),
        }
    }
}
