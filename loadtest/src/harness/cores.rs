//! Which of the machine's cores may be used: by what is started, and by the load generator itself.

use std::fs;

use anyhow::Context;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// The numbers of the cores that this thread may use.
pub(crate) fn usable() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    let cores = 0..CpuSet::MAX_CPU;
    Ok(cores.filter(|core| set.is_set(*core)).collect())
}

/// Does something on this thread, which may use `cores` only meanwhile, as may every process that it starts.
pub(crate) fn start_on<T>(cores: &[usize], start: impl Future<Output = T>) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    sched_setaffinity(None, &set(cores)).context("cores cannot be chosen")?;
    let started = block_in_place(|| Handle::current().block_on(start));
    sched_setaffinity(None, &before)?;
    Ok(started)
}

/// Moves all threads of this process to `cores`; those that come later are where those are that start them.
fn move_all(cores: &[usize]) -> anyhow::Result<()> {
    let set = set(cores);
    for task in fs::read_dir("/proc/self/task")? {
        let name = task?.file_name();
        let number = name.to_str().and_then(|it| it.parse().ok());
        let thread = number
            .and_then(Pid::from_raw)
            .context("a thread's number")?;
        match sched_setaffinity(Some(thread), &set) {
            // It has ended meanwhile.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error).context("cores cannot be chosen"),
        }
    }
    Ok(())
}

/// 1, 2, 4 and so on, each with the cores of a server; the others are for who loads it, as many each time.
pub(crate) fn steps(cores: &[usize]) -> (Vec<&[usize]>, &[usize]) {
    let (servers, load) = cores.split_at(cores.len() / 2);
    let counts = (0..).map(|power| 1 << power);
    let counts = counts.take_while(|count| *count <= servers.len());
    (counts.map(|count| &servers[..count]).collect(), load)
}

fn set(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    set
}

/// Gives all threads of this process its cores back when it is dropped.
pub(crate) struct Moved(Vec<usize>);

impl Moved {
    pub(crate) fn to(cores: &[usize]) -> anyhow::Result<Self> {
        let before = Self(usable()?);
        move_all(cores)?;
        Ok(before)
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        // Whoever could take them away may give them back.
        let _ = move_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_get_half_of_the_cores_at_most() {
        let cores: Vec<_> = (0..13).collect();
        let (steps, load) = steps(&cores);
        let counts: Vec<_> = steps.iter().map(|cores| cores.len()).collect();
        assert_eq!((counts, load.len()), (vec![1, 2, 4], 7));
        assert_eq!(super::steps(&[5]).0.len(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_started_may_use_its_cores_only() {
        let all = usable().unwrap();
        let last = &all[all.len() - 1..];
        let seen = start_on(last, async { usable().unwrap() }).unwrap();
        assert_eq!((seen.as_slice(), usable().unwrap()), (last, all.clone()));
    }
}
