//! The CPU quota of Linux control groups, versions 1 and 2.
//!
//! A group's limit holds for all groups below it, so the smallest on the way from this process's group to the
//! root of the hierarchy counts. A container often sees the hierarchy from its own group on only; what is above
//! is invisible and cannot be asked.

use std::fs;
use std::path::{Path, PathBuf};

/// CPUs' worth of time that the control groups of this process allow; `root` is `/`, or a stand-in in tests.
pub(super) fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let limits = mounts.lines().filter_map(Mount::parse).filter_map(|mount| {
        let group = groups.lines().find_map(|line| mount.group(line))?;
        mount.smallest(root, group)
    });
    limits.reduce(f64::min)
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    One,
    Two,
}

/// A mounted hierarchy that has the CPU controller, or may have it (version 2).
struct Mount {
    version: Version,
    /// The group that is seen at `point`.
    top: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Reads a line of mountinfo: `id parent device root point options [tags] - type source super-options`.
    fn parse(line: &str) -> Option<Mount> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (top, point) = (unescape(mount.next()?), unescape(mount.next()?));
        let mut system = system.split(' ');
        let version = match (system.next()?, system.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == "cpu") => Version::One,
            _ => return None,
        };
        Some(Mount { version, top: top.into(), point: point.into() })
    }

    /// The group that a line of /proc/self/cgroup (`id:controllers:group`) names, if it is of this hierarchy.
    fn group<'a>(&self, line: &'a str) -> Option<&'a Path> {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match self.version {
            Version::One => controllers.split(',').any(|controller| controller == "cpu"),
            Version::Two => id == "0" && controllers.is_empty(),
        };
        ours.then_some(Path::new(group))
    }

    fn smallest(&self, root: &Path, group: &Path) -> Option<f64> {
        // A group outside of what is mounted cannot be looked up: the mount's own is the nearest.
        let below = group.strip_prefix(&self.top).unwrap_or(Path::new(""));
        let below =
            if below.components().any(|part| part.as_os_str() == "..") { Path::new("") } else { below };
        let top = root.join(self.point.strip_prefix("/").ok()?);
        below.ancestors().filter_map(|part| self.limit(&top.join(part))).reduce(f64::min)
    }

    fn limit(&self, directory: &Path) -> Option<f64> {
        let read = |file: &str| fs::read_to_string(directory.join(file)).ok();
        let (quota, period) = match self.version {
            Version::One => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
            Version::Two => {
                let line = read("cpu.max")?;
                let (quota, period) = line.trim().split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
        };
        // "max" and -1 stand for no limit.
        let (quota, period) = (quota.trim().parse::<u64>().ok()?, period.trim().parse::<u64>().ok()?);
        (period > 0).then(|| quota as f64 / period as f64)
    }
}

/// Undoes the octal escapes of white space and backslashes in mountinfo.
fn unescape(text: &str) -> String {
    let pairs = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    pairs.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A made-up root directory, removed at the end.
    struct Root(PathBuf);

    impl Root {
        fn new(groups: &str, mounts: &str) -> Root {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let name =
                format!("rsconv-cgroup-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let root = Root(std::env::temp_dir().join(name));
            root.file("proc/self/cgroup", groups);
            root.file("proc/self/mountinfo", mounts);
            root
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn quota(&self) -> Option<f64> {
            quota(&self.0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const V2: &str = "22 1 8:1 / / rw - ext4 /dev/root rw\n\
                      30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";

    #[test]
    fn version_2_takes_the_smallest_on_the_way_up() {
        let root = Root::new("0::/a.slice/b.scope\n", V2);
        root.file("sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000\n");
        root.file("sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
        root.file("sys/fs/cgroup/other/cpu.max", "1000 100000\n");
        assert_eq!(root.quota(), Some(1.5));
        root.file("sys/fs/cgroup/a.slice/cpu.max", "max 100000\n");
        assert_eq!(root.quota(), Some(4.0));
        root.file("sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
        assert_eq!(root.quota(), None);
    }

    #[test]
    fn version_1_reads_quota_and_period() {
        let root = Root::new("4:cpuset:/x\n3:cpu,cpuacct:/docker/abc\n0::/\n", V1);
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        assert_eq!(root.quota(), None);
        root.file("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "125000\n");
        root.file("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "50000\n");
        assert_eq!(root.quota(), Some(2.5));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let mount = V1.replace("0:29 / /sys", "0:29 /docker/abc /sys");
        let root = Root::new("3:cpu,cpuacct:/docker/abc/inner\n", &mount);
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000");
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
        assert_eq!(root.quota(), Some(3.0));
        root.file("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "50000");
        root.file("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000");
        assert_eq!(root.quota(), Some(0.5));
        // A group outside of the mount, as seen across cgroup namespaces.
        root.file("proc/self/cgroup", "3:cpu,cpuacct:/../other\n");
        assert_eq!(root.quota(), Some(3.0));
    }

    #[test]
    fn both_versions_at_once_and_escaped_paths() {
        let mounts = format!("{V1}{}", V2.replace("/sys/fs/cgroup", "/mnt/c\\040g"));
        let root = Root::new("3:cpu,cpuacct:/\n0::/s\n", &mounts);
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000");
        root.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
        root.file("mnt/c g/s/cpu.max", "200000 100000");
        assert_eq!(root.quota(), Some(2.0));
    }

    #[test]
    fn damaged_or_missing_files_are_no_limit() {
        assert_eq!(Root::new("0::/\n", "").quota(), None);
        assert_eq!(Root::new("nonsense\n", "nonsense\n1 2 3 - cgroup2\n").quota(), None);
        let root = Root::new("0::/\n", V2);
        for text in ["", "max", "-5 100000", "100000 0", "many 100000"] {
            root.file("sys/fs/cgroup/cpu.max", text);
            assert_eq!(root.quota(), None, "{text:?}");
        }
        assert_eq!(quota(Path::new("/surely/absent")), None);
    }
}
