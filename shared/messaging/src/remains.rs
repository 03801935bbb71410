//! What a database file goes on holding of rows that were erased, and how it is kept from it.
//!
//! SQLite leaves the octets of deleted and overwritten rows in the file until their place is needed, and older images of whole pages in
//! the write-ahead log. An erasure overwrites the one ([`leave_no_remains`]) and empties the other ([`drop_remains`]). PostgreSQL has no
//! such switch: there the octets go with the next `VACUUM` of the table and with the recycling of its log.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr};

/// How the connection deletes otherwise: with zeros wherever that costs no page more.
pub const USUAL_DELETION: &str = "FAST";

/// A transaction under way that overwrites what it deletes with zeros, to be ended before the commit.
#[must_use = "the connection goes on in this way until it is ended"]
pub struct NoRemains(());

/// From here the transaction overwrites what it deletes or replaces with zeros, whole pages too.
///
/// # Errors
/// The database does not answer.
pub async fn leave_no_remains(transaction: &DatabaseTransaction) -> Result<NoRemains, DbErr> {
    secure_delete(transaction, "ON").await?;
    Ok(NoRemains(()))
}

impl NoRemains {
    /// Back to the usual way. A transaction that fails before it leaves the connection in the thorough one, which harms nothing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end(self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        secure_delete(transaction, USUAL_DELETION).await
    }
}

async fn secure_delete(transaction: &DatabaseTransaction, how: &str) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Sqlite {
        let sql = format!("PRAGMA secure_delete = {how}");
        transaction.execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// After the commit: writes the log into the file and cuts it off, so that no image of a page from before stays in it. Where readers keep
/// it from that, or it fails, it says so in the log; the next erasure does it then, or SQLite's own checkpoint.
pub async fn drop_remains(db: &DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return;
    }
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let asked = sea_orm::Statement::from_string(DbBackend::Sqlite, sql);
    let busy = match db.query_one_raw(asked).await {
        Ok(row) => row.and_then(|row| row.try_get_by_index::<i64>(0).ok()),
        Err(error) => {
            tracing::warn!(%error, "the write-ahead log was not emptied after an erasure");
            return;
        }
    };
    if busy.is_some_and(|busy| busy != 0) {
        tracing::warn!("the write-ahead log was not emptied after an erasure: it is being read");
    }
}
