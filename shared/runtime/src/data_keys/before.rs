//! What was sealed before its tenant had a data key: under the platform's own.

use sea_orm::DbBackend;
use warikan_types::Sealer;

/// The condition, as SQL, that a column holds a box made under the platform's key. With the octet as a literal, so that an index can have
/// the same condition and be found by it.
#[must_use]
pub fn under_platform_key(on: DbBackend, column: &str) -> String {
    let octet = Sealer::PLATFORM;
    match on {
        DbBackend::Postgres => format!("substr({column}, 1, 1) = '\\x{octet:02x}'::bytea"),
        _ => format!("substr({column}, 1, 1) = x'{octet:02x}'"),
    }
}
