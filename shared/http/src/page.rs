//! Lists: `?limit=&cursor=` -> `{data, next_cursor}`, stable under inserts.
//!
//! A cursor is the last row's id under a MAC that binds it to the caller and the list with its filters, so that one
//! tenant's cursor means nothing to another (F002).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use warikan_types::{Secret, TenantScope};

use crate::Problem;

/// Rows per page unless asked otherwise.
const DEFAULT_LIMIT: u64 = 50;
/// Rows per page at most.
const MAX_LIMIT: u64 = 500;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows, in the order of their making.
    pub data: Vec<T>,
    /// Where the next page starts; `null` at the end.
    pub next_cursor: Option<String>,
}

/// The query of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows per page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The limit asked for.
    ///
    /// # Errors
    /// Outside 1 to 500.
    pub fn limit(&self) -> Result<u64, Problem> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::field(
                "?limit",
                "out_of_range",
                format!("limit is 1 to {MAX_LIMIT}"),
            )),
        }
    }
}

/// Makes and reads cursors.
#[derive(Clone)]
pub struct Cursors(Secret<[u8; 32]>);

impl Cursors {
    /// Under the platform's key.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(Secret::new(key))
    }

    /// Where to go on: the id after which the page asked for begins. `list` names the list and its filters.
    ///
    /// # Errors
    /// A cursor that was made for another caller, list or filter, or by nobody.
    pub fn read(
        &self,
        scope: Option<TenantScope>,
        list: &str,
        query: &PageQuery,
    ) -> Result<Option<Uuid>, Problem> {
        let Some(text) = &query.cursor else {
            return Ok(None);
        };
        let refused = || {
            Problem::field(
                "?cursor",
                "invalid_cursor",
                "not a cursor of this list with these filters; start again without it",
            )
        };
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let (id, tag) = octets.split_at_checked(16).ok_or_else(refused)?;
        self.mac(scope, list, id)
            .verify_truncated_left(tag)
            .ok()
            .filter(|()| tag.len() == 16)
            .ok_or_else(refused)?;
        Uuid::from_slice(id).map(Some).map_err(|_| refused())
    }

    /// Cuts a list of up to `limit + 1` rows into a page.
    pub fn page<T>(
        &self,
        scope: Option<TenantScope>,
        list: &str,
        limit: u64,
        mut rows: Vec<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| {
            let id = id(row);
            let tag = self.mac(scope, list, id.as_bytes()).finalize().into_bytes();
            URL_SAFE_NO_PAD.encode([id.as_bytes(), &tag[..16]].concat())
        });
        Page {
            data: rows,
            next_cursor,
        }
    }

    fn mac(&self, scope: Option<TenantScope>, list: &str, id: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose())
            .expect("HMAC takes a key of any length");
        let caller = scope.map_or_else(String::new, |scope| {
            format!("{}/{}", scope.tenant(), scope.environment().as_str())
        });
        for part in [
            b"warikan cursor v1".as_slice(),
            caller.as_bytes(),
            list.as_bytes(),
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(id);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warikan_types::{Entropy, Environment, Timestamp};

    #[test]
    fn f002_a_cursor_is_bound_to_tenant_and_filter() {
        let cursors = Cursors::new([1; 32]);
        let entropy = Entropy::seeded(1);
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let a = Some(TenantScope::of_event(entropy.id(at), Environment::Sandbox));
        let b = Some(TenantScope::of_event(entropy.id(at), Environment::Sandbox));
        let rows: Vec<Uuid> = (1..=3_u128).map(Uuid::from_u128).collect();
        let page = cursors.page(a, "things", 2, rows, |row| *row);
        assert_eq!(page.data.len(), 2);
        let query = |cursor: String| PageQuery {
            limit: None,
            cursor: Some(cursor),
        };
        let cursor = page.next_cursor.unwrap();
        let read = cursors.read(a, "things", &query(cursor.clone()));
        assert_eq!(read.unwrap(), Some(Uuid::from_u128(2)));
        assert!(cursors.read(b, "things", &query(cursor.clone())).is_err());
        assert!(
            cursors
                .read(a, "things?state=x", &query(cursor.clone()))
                .is_err()
        );
        for index in 0..cursor.len() - 1 {
            let mut flipped = cursor.clone().into_bytes();
            flipped[index] = if flipped[index] == b'A' { b'B' } else { b'A' };
            let flipped = String::from_utf8(flipped).unwrap();
            if flipped != cursor {
                assert!(
                    cursors.read(a, "things", &query(flipped)).is_err(),
                    "{index}"
                );
            }
        }
        let too_many = PageQuery {
            limit: Some(1_000_000_000),
            cursor: None,
        };
        assert!(too_many.limit().is_err());
    }
}
