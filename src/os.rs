//! What depends on the operating system, each with a portable default: how many CPUs this process may use and
//! why, and whether it is a forked child.

#![allow(unsafe_code)]

#[cfg(any(target_os = "linux", test))]
mod cgroup;

use std::fmt;

/// How many CPUs this process may use, and by which limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuLimits {
    /// CPUs that its threads may be scheduled on.
    pub affinity: usize,
    /// CPU time per wall-clock time that its control groups allow, if any of them limits it.
    pub quota: Option<f64>,
}

impl CpuLimits {
    /// Asks the system.
    pub fn detect() -> CpuLimits {
        CpuLimits { affinity: affinity(), quota: quota() }
    }

    /// The number of threads that can make progress at once; a part of a CPU counts as one. At least 1.
    pub fn count(&self) -> usize {
        let quota = self.quota.map_or(usize::MAX, |cpus| cpus.ceil() as usize);
        self.affinity.min(quota).max(1)
    }
}

impl fmt::Display for CpuLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU affinity allows {}, ", self.affinity)?;
        match self.quota {
            Some(cpus) => write!(f, "cgroup quota {cpus:.2}"),
            None => f.write_str("no cgroup quota"),
        }
    }
}

#[cfg(target_os = "linux")]
fn quota() -> Option<f64> {
    cgroup::quota(std::path::Path::new("/"))
}

#[cfg(not(target_os = "linux"))]
fn quota() -> Option<f64> {
    None
}

fn portable_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(target_os = "linux")]
fn affinity() -> usize {
    // The kernel refuses a mask smaller than its own (EINVAL), so the size is doubled until it fits.
    let mut mask = vec![0usize; 1024 / usize::BITS as usize];
    while mask.len() <= 1 << 16 {
        let bytes = mask.len() * size_of::<usize>();
        // SAFETY: `mask` is writable for `bytes` bytes, aligned for the longs of a `cpu_set_t`, and the kernel
        // writes no more than `bytes`. Pid 0 is the calling thread.
        let status = unsafe { libc::sched_getaffinity(0, bytes, mask.as_mut_ptr().cast()) };
        if status == 0 {
            return mask.iter().map(|word| word.count_ones() as usize).sum::<usize>().max(1);
        }
        mask = vec![0; mask.len() * 2];
    }
    portable_count()
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> usize {
    portable_count()
}

#[cfg(unix)]
mod fork {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    static REGISTERED: AtomicBool = AtomicBool::new(false);
    static FORKS: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn generation() -> usize {
        // No `Once`: one that is being initialised while another thread forks blocks the child for ever.
        // Two threads that both register make the counter advance by two, which is as good.
        if !REGISTERED.load(Ordering::Acquire) {
            // SAFETY: `in_child` is a plain function that is async-signal-safe (one atomic addition) and is
            // never unloaded before the process ends (Python does not unload extension modules).
            if unsafe { libc::pthread_atfork(None, None, Some(in_child)) } == 0 {
                REGISTERED.store(true, Ordering::Release);
            }
        }
        FORKS.load(Ordering::Relaxed)
    }
}

/// A number that differs between a process and its forked children: threads and locks made under another
/// number do not exist here. Costs two loads.
///
/// A counter and no process id, as a child in a new PID namespace may have its parent's.
#[cfg(unix)]
pub fn fork_generation() -> usize {
    fork::generation()
}

/// A number that differs between a process and its forked children; there are none on this system.
#[cfg(not(unix))]
pub fn fork_generation() -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_counts_and_parts_of_a_cpu_round_up() {
        let count = |affinity, quota| CpuLimits { affinity, quota }.count();
        assert_eq!(count(8, None), 8);
        assert_eq!(count(8, Some(2.0)), 2);
        assert_eq!(count(8, Some(1.5)), 2);
        assert_eq!(count(8, Some(0.05)), 1);
        assert_eq!(count(2, Some(16.0)), 2);
        assert_eq!(count(1, Some(0.0)), 1);
    }

    #[test]
    fn limits_read_as_text() {
        let text = |affinity, quota| CpuLimits { affinity, quota }.to_string();
        assert_eq!(text(2, Some(1.5)), "CPU affinity allows 2, cgroup quota 1.50");
        assert_eq!(text(64, None), "CPU affinity allows 64, no cgroup quota");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn affinity_of_a_thread_is_respected() {
        // A thread's mask is its own, so that other tests do not notice.
        let seen = std::thread::spawn(|| {
            let mut mask = [0usize; 16];
            let bytes = size_of_val(&mask);
            // SAFETY: both calls are given a mask of `bytes` bytes.
            unsafe {
                assert_eq!(libc::sched_getaffinity(0, bytes, mask.as_mut_ptr().cast()), 0);
                let word = mask.iter().position(|&word| word != 0).expect("a CPU to run on");
                let lowest = mask[word] & mask[word].wrapping_neg();
                mask = [0; 16];
                mask[word] = lowest;
                assert_eq!(libc::sched_setaffinity(0, bytes, mask.as_ptr().cast()), 0);
            }
            affinity()
        });
        assert_eq!(seen.join().unwrap(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_child_has_another_generation() {
        let parent = fork_generation();
        // SAFETY: the child only reads atomics and ends at once, without running destructors.
        let status = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(fork_generation() != parent));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            status
        };
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), 1);
        assert_eq!(fork_generation(), parent);
    }
}
