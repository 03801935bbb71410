//! Watches in numbers: rows as the service would have written them, one by one, had somebody asked for each.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use uuid::Uuid;
use warikan_types::{CertificateHandle, CertificateId, Serial, TenantScope, WatchId};

use super::Bench;

/// A watch that was made.
pub struct Made {
    pub tenant: TenantScope,
    pub watch: WatchId,
    pub handle: CertificateHandle,
    pub serial: u64,
}

/// Text of values for either database.
struct Dialect {
    sqlite: bool,
}

impl Dialect {
    fn blob(&self, octets: &[u8]) -> String {
        let text = hex::encode(octets);
        if self.sqlite {
            format!("x'{text}'")
        } else {
            format!("'\\x{text}'::bytea")
        }
    }

    fn uuid(&self, id: Uuid) -> String {
        if self.sqlite {
            self.blob(id.as_bytes())
        } else {
            format!("'{id}'::uuid")
        }
    }
}

/// Watches certificates of these serials, which `pattern` has in common with them everything but the serial: the row of the
/// watch `like` is written again with other ids.
pub async fn watch_many(
    bench: &Bench,
    db: &DatabaseConnection,
    pattern: &CertificateId,
    like: WatchId,
    wanted: impl Iterator<Item = (TenantScope, u64)>,
) -> Vec<Made> {
    let pseudonym = bench.house.platform.keys.pseudonym();
    let dialect = Dialect {
        sqlite: db.get_database_backend() == DbBackend::Sqlite,
    };
    let now = bench.house.clock().now();
    let made: Vec<Made> = wanted
        .map(|(tenant, serial)| {
            let certificate = CertificateId {
                issuer: pattern.issuer,
                serial: Serial::from_u64(serial).unwrap(),
            };
            Made {
                tenant,
                watch: bench.house.platform.entropy.id(now),
                handle: pseudonym.handle(tenant, &certificate),
                serial,
            }
        })
        .collect();
    for some in made.chunks(1_000) {
        let mut rows = String::new();
        for one in some {
            let serial = Serial::from_u64(one.serial).unwrap();
            let comma = if rows.is_empty() { "" } else { ", " };
            let (id, tenant) = (one.watch.uuid(), one.tenant.tenant().uuid());
            write!(
                rows,
                "{comma}({}, {}, {}, {})",
                dialect.uuid(id),
                dialect.uuid(tenant),
                dialect.blob(serial.octets()),
                dialect.uuid(one.handle.uuid())
            )
            .unwrap();
        }
        let sql = format!(
            "INSERT INTO watch (id, tenant, environment, issuer, serial, partition, kind, not_after, handle, created_at, metered_month) \
             SELECT new.column1, new.column2, w.environment, w.issuer, new.column3, w.partition, w.kind, w.not_after, new.column4, \
             w.created_at, w.metered_month FROM (VALUES {rows}) AS new, watch AS w WHERE w.id = {}",
            dialect.uuid(like.uuid())
        );
        db.execute_unprepared(&sql).await.unwrap();
    }
    made
}
