//! Outcomes, named once: one enum serves the header, the metric label and the log field.

/// The source of an answer's first byte (`x-forebay-cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The memory tier, or a record in memory.
    Memory,
    /// The disk tier.
    Disk,
    /// Another node.
    Peer,
    /// The origin: this request started the fill.
    Origin,
    /// The origin: another request had started the fill.
    Coalesced,
    /// A cached record that the origin confirmed in this request.
    Revalidated,
    /// A cached record past its age, because the origin could not be asked.
    Stale,
    /// The cache had no part in the answer.
    Bypass,
}

impl Source {
    /// Every source, in the order of the metric's table.
    pub const ALL: [Self; 8] = [
        Self::Memory,
        Self::Disk,
        Self::Peer,
        Self::Origin,
        Self::Coalesced,
        Self::Revalidated,
        Self::Stale,
        Self::Bypass,
    ];

    /// The value of the header, the label and the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Peer => "peer",
            Self::Origin => "origin",
            Self::Coalesced => "coalesced",
            Self::Revalidated => "revalidated",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}

/// What accounted memory is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryUse {
    /// Cached blocks.
    Tier,
    /// A page for every answer being sent.
    Entry,
    /// Bytes on their way from origins, and evicted blocks that are still being sent.
    Fill,
    /// Bytes on their way to origins.
    Upload,
}

impl MemoryUse {
    /// Every use, in the order of the metric's table.
    pub const ALL: [Self; 4] = [Self::Tier, Self::Entry, Self::Fill, Self::Upload];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Entry => "entry",
            Self::Fill => "fill",
            Self::Upload => "upload",
        }
    }
}
