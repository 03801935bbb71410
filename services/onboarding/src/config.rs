//! What can be set.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Onboarding's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By what name clients call the platform, `https://api.example.jp`: the issuer in the discovery document, and the audience of clients'
    /// assertions. Without it `private_key_jwt` works on the same machine alone.
    pub public_url: Option<PublicUrl>,
    /// Who files with J-LIS: the platform operator, as the drafts of filings name it.
    pub filer: Option<Filer>,
}

/// The platform operator, as a filing names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filer {
    /// Its legal name.
    pub name: String,
    /// Its seat.
    pub address: String,
    /// Who stands for it, with the office held.
    pub representative: String,
    /// The ministers' certification (法17条1項6号): number and day.
    pub certification: String,
}

/// `https://host[:port][/path]`; `http` too, for a machine of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(String);

impl TryFrom<String> for PublicUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let plain = |rest: &str| {
            !rest.is_empty()
                && !rest.contains(['?', '#', '@'])
                && rest.bytes().all(|b| b.is_ascii_graphic())
        };
        if rest.is_some_and(plain) {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err("public_url is https://host, without user, query and fragment")
        }
    }
}

impl PublicUrl {
    pub(crate) fn into_base(self) -> String {
        self.0
    }
}
