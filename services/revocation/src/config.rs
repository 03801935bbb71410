//! What an operator can set, each with its reason.

use serde::{Deserialize, Serialize};
use warikan_status::OcspConfig;
use warikan_types::Environment;

/// Configuration of the revocation service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the lists come from: at most one source per environment. Without any, every status is unavailable.
    pub sources: Vec<Source>,
    /// Seconds between two looks at a source. J-LIS publishes once a day and the index says what is new, so a look is one small
    /// request; a minute keeps "we tell first" true.
    pub sync_period_seconds: u64,
    /// Seconds between two full joins of all watches with all lists, which must find nothing. A day, as the lists.
    pub recheck_period_seconds: u64,
    /// Seconds one request to a source may take, body included. A source that hangs must not stop the others for long.
    pub request_timeout_seconds: u64,
    /// Octets one list may have. The default takes an undivided list of 5 million entries (265 MB). Four lists
    /// are fetched at a time, so four times this is the most memory a source can make us use.
    pub crl_octets: usize,
    /// Days before the end of a watched certificate on which its tenant is told (`certificate.expiring`). A month is time enough
    /// to ask a customer for the new one; 0 tells nobody.
    pub expiring_notice_days: u32,
    /// Seconds between two looks for campaigns that wait: those that another process began and did not end. New ones are begun
    /// at once.
    pub campaign_period_seconds: u64,
    /// Seconds for which a process holds a campaign that it works on; longer than a turn of a few chunks ever takes. A process that
    /// dies holds a campaign up for as long.
    pub campaign_lease_seconds: u64,
    /// Lists an index may name. 1,900 municipalities, two CAs and two generations in force make 7,600.
    pub lists: usize,
    /// Whom to ask by OCSP: the operator sets that once, for verifications (`verification.ocsp`), and it holds here too.
    #[serde(skip)]
    pub ocsp: OcspConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            sync_period_seconds: 60,
            recheck_period_seconds: 24 * 3600,
            request_timeout_seconds: 60,
            crl_octets: 320 << 20,
            expiring_notice_days: 30,
            campaign_period_seconds: 15,
            campaign_lease_seconds: 120,
            lists: 10_000,
            ocsp: OcspConfig::default(),
        }
    }
}

/// A place where an environment's lists are published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The environment whose anchors must have signed what lies there.
    pub environment: Environment,
    /// `http` or `https` address of the index: `{"lists": [{"url": .., "sha256": ..}]}`, addresses relative to its own. Lists
    /// on another host are not fetched. The index is believed in nothing but where to look. Or the `file:///..` address of a
    /// drop folder: every `*.crl` in it is a list. Whoever lays one there writes it under another name first and renames it; what
    /// was taken over goes to `done/`, what was not to `refused/` with the reason beside it.
    pub index_url: String,
}
