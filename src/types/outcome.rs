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

/// What a disk of the cache may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskState {
    /// Reading and writing.
    Serving,
    /// Reading only: a write has failed.
    ReadOnly,
    /// Nothing: it cannot be opened, or reads fail.
    Out,
}

impl DiskState {
    /// Every state, in the order of the metric's table.
    pub const ALL: [Self; 3] = [Self::Serving, Self::ReadOnly, Self::Out];

    /// The value of the label and the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::ReadOnly => "read-only",
            Self::Out => "out",
        }
    }
}

/// How a read from a disk of the cache ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskRead {
    /// The bytes were there and are right.
    Hit,
    /// They were not held, or no longer.
    Absent,
    /// What was there is not what was written.
    Damaged,
    /// The disk failed.
    Failed,
    /// The disk did not answer in time.
    Slow,
}

impl DiskRead {
    /// Every outcome, in the order of the metric's table.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::Absent,
        Self::Damaged,
        Self::Failed,
        Self::Slow,
    ];

    /// The value of the label and the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Absent => "absent",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
            Self::Slow => "slow",
        }
    }
}

/// What became of bytes that were offered to a disk of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskWrite {
    /// They were written.
    Written,
    /// They were held already.
    Held,
    /// Dropped: no whole page was among them.
    Partial,
    /// Dropped: the disk cannot follow, and its queue is full.
    QueueFull,
    /// Dropped: what would have to go for them is read more often.
    Refused,
    /// Dropped: all that is there is pinned, being written or not recovered yet.
    Full,
    /// Dropped: newer bytes are held, which a purge had asked for.
    Stale,
    /// Dropped: the file system has no room for a segment.
    NoSpace,
    /// Dropped: writing them failed.
    Failed,
    /// Dropped: a write has failed before, and the disk is not written.
    ReadOnly,
    /// Dropped: the disk is not used.
    Out,
    /// Dropped: the node is going down.
    Closed,
}

impl DiskWrite {
    /// Every outcome, in the order of the metric's table.
    pub const ALL: [Self; 12] = [
        Self::Written,
        Self::Held,
        Self::Partial,
        Self::QueueFull,
        Self::Refused,
        Self::Full,
        Self::Stale,
        Self::NoSpace,
        Self::Failed,
        Self::ReadOnly,
        Self::Out,
        Self::Closed,
    ];

    /// The value of the label and the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Held => "held",
            Self::Partial => "partial",
            Self::QueueFull => "queue-full",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Stale => "stale",
            Self::NoSpace => "no-space",
            Self::Failed => "failed",
            Self::ReadOnly => "read-only",
            Self::Out => "out",
            Self::Closed => "closed",
        }
    }
}
