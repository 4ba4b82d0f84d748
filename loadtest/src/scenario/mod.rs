//! Scenarios: each starts what it measures, measures it, and leaves rows and checks in the report.

mod bench;
mod disk;
mod fill;
mod fio;
mod memory;
mod quick;
mod rate;
mod restart;
mod shape;
mod small;
mod soak;
mod timeline;
mod training;

pub(crate) use bench::Bench;
pub(crate) use quick::quick;

pub(crate) mod settings {
    //! The settings of each scenario, as its command line takes them.

    pub(crate) use super::disk::Disk;
    pub(crate) use super::fio::FioTable;
    pub(crate) use super::memory::Memory;
    pub(crate) use super::rate::Rate;
    pub(crate) use super::restart::Restart;
    pub(crate) use super::small::Small;
    pub(crate) use super::soak::Soak;
    #[cfg(test)]
    pub(crate) use super::training::Mode;
    pub(crate) use super::training::Training;
}
