//! How much memory there is: the least of the machine's and of every cgroup's limit that holds for this process.

use std::path::Path;

use crate::types::ByteSize;

/// The memory that this process may use, below the file system's `root`; none where nothing tells.
pub(super) fn memory(root: &Path) -> Option<ByteSize> {
    let machine = machine_memory(root);
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups
        .lines()
        .filter_map(|line| cgroup_limit(&root.join("sys/fs/cgroup"), line));
    machine.into_iter().chain(limits).min().map(ByteSize)
}

fn machine_memory(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// The least limit from the group of a line of `/proc/self/cgroup` up to the top: `0::PATH` (v2), `N:memory:PATH` (v1).
fn cgroup_limit(mount: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
    let (mount, file) = match controllers {
        "" => (mount.to_owned(), "memory.max"),
        it if it.split(',').any(|it| it == "memory") => {
            (mount.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // In a container the path may be the host's and lead nowhere: then the mount's own limit is ours.
    Path::new(path)
        .ancestors()
        .filter_map(|group| read_limit(&mount.join(group).join(file)))
        .min()
}

/// `max` (v2) is no number; v1 writes a number near 2^63, which never is the least.
fn read_limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a scratch folder");
        std::fs::write(path, text).expect("a file");
    }

    #[test]
    fn the_least_limit_of_machine_and_cgroups_counts() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let root = root.path();
        assert_eq!(memory(root), None);
        write(
            root,
            "proc/meminfo",
            "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
        );
        assert_eq!(memory(root), Some(ByteSize(16 << 30)));
        write(root, "proc/self/cgroup", "0::/kubepods/pod/one\n");
        write(root, "sys/fs/cgroup/kubepods/pod/one/memory.max", "max\n");
        write(
            root,
            "sys/fs/cgroup/kubepods/pod/memory.max",
            "4294967296\n",
        );
        assert_eq!(memory(root), Some(ByteSize(4 << 30)));
    }

    #[test]
    fn a_container_whose_group_path_leads_nowhere_finds_its_limit_at_the_mount() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let root = root.path();
        write(
            root,
            "proc/self/cgroup",
            "7:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
        );
        write(
            root,
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "1073741824\n",
        );
        assert_eq!(memory(root), Some(ByteSize(1 << 30)));
    }
}
