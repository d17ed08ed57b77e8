//! Memory that the process may take: that of its control group (cgroup v2 and v1), or of the machine.
//! Where the system does not tell, unknown.

use std::path::{Path, PathBuf};

/// The setting that depends on the memory.
pub(super) const MEMORY_BUDGET: &str = "memory.budget";

/// Returns the bytes that the process may take, if the system tells. `read` reads a file.
pub(super) fn memory(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read("/proc/self/cgroup".as_ref()).unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files);
    let limits = limits.filter_map(|file| read(&file)?.trim().parse().ok());
    // Version 1 says a number near 2^63 where there is no limit.
    let limits = limits.filter(|&limit: &u64| limit < UNLIMITED);
    let machine = read("/proc/meminfo".as_ref()).and_then(|text| total(&text));
    limits.chain(machine).min()
}

/// Returns the files with the limits of a group and of those that contain it. In a container, the path
/// may be one that only its host has, so the root is one of them.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (root, name) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let path = Path::new(path.trim_start_matches('/'));
    let groups = path.ancestors();
    groups
        .map(|group| Path::new(root).join(group).join(name))
        .collect()
}

/// Returns the memory of the machine.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = line?.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

const UNLIMITED: u64 = 1 << 60;

/// Returns the budget of a server on a machine with this much memory: half of it. The other half is for
/// what is not charged: buffers of sockets in the kernel, which a control group counts too; what an
/// allocator holds beyond what is in use; the program, and what the application keeps. The budget is
/// at least what the shards need, and at most what can be set.
pub(super) fn budget(memory: u64, shards: u16, most: u64) -> u64 {
    (memory / 2).clamp(u64::from(shards) << 20, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        8000 kB\nMemFree: 1 kB\n";

    fn with(files: &[(&str, &str)]) -> Option<u64> {
        memory(|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).into())
        })
    }

    #[test]
    fn the_smallest_limit_of_the_group_and_those_around_it_counts() {
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("/proc/meminfo", MEMINFO)]), Some(8_000 << 10));
        let v2 = |own: &'static str, around: &'static str| {
            with(&[
                ("/proc/self/cgroup", "0::/a.slice/b.service\n"),
                ("/proc/meminfo", MEMINFO),
                ("/sys/fs/cgroup/a.slice/b.service/memory.max", own),
                ("/sys/fs/cgroup/a.slice/memory.max", around),
            ])
        };
        assert_eq!(v2("4096000\n", "max\n"), Some(4_096_000));
        assert_eq!(v2("4096000\n", "2048000\n"), Some(2_048_000));
        assert_eq!(v2("max\n", "max\n"), Some(8_000 << 10));
        assert_eq!(v2("99999999999\n", "max\n"), Some(8_000 << 10));
        let v1 = |limit: &'static str| {
            with(&[
                (
                    "/proc/self/cgroup",
                    "5:cpu,cpuacct:/x\n3:memory:/docker/1\n",
                ),
                ("/proc/meminfo", MEMINFO),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
            ])
        };
        assert_eq!(v1("1048576\n"), Some(1 << 20));
        assert_eq!(v1("9223372036854771712\n"), Some(8_000 << 10));
    }

    #[test]
    fn the_budget_is_half_and_enough_for_the_shards() {
        assert_eq!(budget(512 << 20, 4, 1 << 40), 256 << 20);
        assert_eq!(budget(6 << 20, 4, 1 << 40), 4 << 20);
        assert_eq!(budget(4 << 40, 4, 1 << 40), 1 << 40);
    }
}
