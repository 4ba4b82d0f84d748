//! Identities and what they may do.

use crate::types::{Action, BucketName, Operation, Principal, Resource};

/// The identities and policies of the configuration.
#[derive(Debug, Default)]
pub struct Auth {}

/// The caller lacks a right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not allowed to {}", .action.0)]
pub struct Denied {
    pub action: Action,
    pub resource: Resource,
}

impl Auth {
    /// Whether `principal` may do `action` to `resource`.
    pub fn allows(&self, _principal: &Principal, _action: Action, _resource: &Resource) -> bool {
        false
    }

    /// Whether `principal` may do anything at all in `bucket`.
    pub fn visible(&self, _principal: &Principal, _bucket: &BucketName) -> bool {
        false
    }

    /// Checks every right that `operation` takes.
    ///
    /// # Errors
    /// The first right that is missing.
    pub fn authorize(&self, principal: &Principal, operation: &Operation) -> Result<(), Denied> {
        for (action, resource) in operation.rights() {
            if !self.allows(principal, action, &resource) {
                return Err(Denied { action, resource });
            }
        }
        Ok(())
    }
}
