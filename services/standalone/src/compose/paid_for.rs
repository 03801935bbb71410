//! Whom billing asks for operations.

use std::sync::Arc;

use warikan_contracts::operations::MeteredOperations;
use warikan_metering::Remote;

use super::{ComposeError, House, Role};
use crate::config::Config;

impl House {
    /// The services whose operations are paid for, in other processes.
    pub(super) fn paid_for(
        &self,
        config: &Config,
        from: Role,
    ) -> Result<Vec<Arc<dyn MeteredOperations>>, ComposeError> {
        let of = |to, meters| {
            let remote = Remote::new(self.peer(config, from, to)?, meters);
            Ok::<_, ComposeError>(Arc::new(remote) as Arc<dyn MeteredOperations>)
        };
        Ok(vec![
            of(Role::Verification, warikan_verification::METERS)?,
            of(Role::Revocation, warikan_revocation::METERS)?,
        ])
    }
}
