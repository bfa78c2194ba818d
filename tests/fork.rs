//! Parallel regions in forked children, while other threads of the parent hold the locks of theirs.
#![cfg(unix)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rsconv::threads::{NeverInterrupt, run, set_num_threads};

/// Whether a region of a few tasks runs each of them once.
fn region_works(threads: usize) -> bool {
    let ran = AtomicUsize::new(0);
    let result = run(64, threads, &NeverInterrupt, &|i| {
        ran.fetch_add(i + 1, Ordering::Relaxed);
    });
    result.is_ok() && ran.into_inner() == 64 * 65 / 2
}

/// Whether two tasks can wait for each other, which takes a worker that is alive.
fn a_worker_joins() -> bool {
    let arrived = AtomicUsize::new(0);
    let result = run(2, 2, &NeverInterrupt, &|_| {
        arrived.fetch_add(1, Ordering::AcqRel);
        while arrived.load(Ordering::Acquire) < 2 {
            thread::yield_now();
        }
    });
    result.is_ok()
}

/// Forks, runs `child` there and returns its exit status, or `None` if it hangs.
fn status_of_fork(child: impl FnOnce() -> bool) -> Option<i32> {
    // SAFETY: the child leaves by `_exit`, so that no destructor and no test harness code runs twice. What it
    // calls before allocates and starts threads, which libc supports in a child of a process with threads.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        let ok = child();
        // SAFETY: ends the process.
        unsafe { libc::_exit(if ok { 0 } else { 1 }) };
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut status = 0;
    // SAFETY: `pid` is a child of this process that nobody else waits for.
    while unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            // SAFETY: as above; it is still there, as it was not waited for.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &mut status, 0);
            }
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Some(status)
}

#[test]
fn children_have_workers_of_their_own() {
    assert!(a_worker_joins());
    let grandchild = || a_worker_joins() && status_of_fork(a_worker_joins) == Some(0);
    assert_eq!(status_of_fork(grandchild), Some(0));
    assert!(a_worker_joins());

    // Forks find the locks of regions held.
    fork_beside(|_| assert!(region_works(3)), || region_works(3) && a_worker_joins());

    // Forks find pools half built. A thread that starts in a Rust program holds a lock of its stack overflow
    // handler, which an extension module does not have; a child's workers may wait for it for ever. The region
    // must do without them.
    let replace_the_pool = |round| {
        set_num_threads(round % 3 + 1).unwrap();
        assert!(region_works(3));
    };
    fork_beside(replace_the_pool, || region_works(3));
}

/// Forks again and again while two other threads do their work; every child must succeed.
fn fork_beside(work: impl Fn(usize) + Sync, child: impl Fn() -> bool) {
    let done = AtomicBool::new(false);
    let wrong = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..).take_while(|_| !done.load(Ordering::Relaxed)).for_each(&work));
        }
        let wrong = (0..60).map(|_| status_of_fork(&child)).find(|&status| status != Some(0));
        done.store(true, Ordering::Relaxed);
        wrong
    });
    assert_eq!(wrong, None);
}
