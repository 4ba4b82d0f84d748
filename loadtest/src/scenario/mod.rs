//! Scenarios: each starts what it measures, measures it, and leaves rows and checks in the report.

mod bench;
mod chunked;
mod cold;
mod contest;
mod disk;
mod far;
mod fill;
mod fio;
mod herd;
mod hits;
mod memory;
mod quick;
mod ranges;
mod rate;
mod restart;
mod scale;
mod shape;
mod sides;
mod slow;
mod small;
mod soak;
mod tail;
mod timeline;
mod tls;
mod training;
mod ttfb;

pub(crate) use bench::Bench;
pub(crate) use quick::quick;

pub(crate) mod settings {
    //! The settings of each scenario, as its command line takes them.

    pub(crate) use super::chunked::Chunked;
    pub(crate) use super::cold::Cold;
    pub(crate) use super::disk::Disk;
    pub(crate) use super::fio::FioTable;
    pub(crate) use super::herd::Herd;
    pub(crate) use super::hits::Hits;
    pub(crate) use super::memory::Memory;
    pub(crate) use super::ranges::Ranges;
    pub(crate) use super::rate::Rate;
    pub(crate) use super::restart::Restart;
    pub(crate) use super::scale::Scale;
    pub(crate) use super::slow::Slow;
    pub(crate) use super::small::Small;
    pub(crate) use super::soak::Soak;
    pub(crate) use super::tail::Tail;
    pub(crate) use super::tls::Tls;
    #[cfg(test)]
    pub(crate) use super::training::Mode;
    pub(crate) use super::training::Training;
    pub(crate) use super::ttfb::Ttfb;
}
