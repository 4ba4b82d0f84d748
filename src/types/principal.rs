//! Who asks, and on whose account.

use std::sync::Arc;

/// An authenticated caller. Every internal call carries one, so that quotas and audit have somebody to name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[repr(align(128))]
pub struct Principal {
    /// The identity's name in the configuration, or [`Principal::ANONYMOUS`].
    pub name: Arc<str>,
    pub tenant: Tenant,
    pub class: Class,
}

impl Principal {
    /// The name of callers who sign nothing.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// The caller who signs nothing.
    pub fn anonymous() -> Self {
        Self {
            name: Self::ANONYMOUS.into(),
            tenant: Tenant::default(),
            class: Class::default(),
        }
    }
}

/// The team or project that a caller's traffic is accounted to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant(pub Arc<str>);

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

/// The priority class of a caller's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    #[default]
    Training,
    Batch,
    Warmup,
}

impl Class {
    /// The class's name in the configuration, in labels and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Batch => "batch",
            Self::Warmup => "warmup",
        }
    }
}
