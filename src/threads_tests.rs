use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, MutexGuard};

use super::*;

/// Held by tests that change the number of threads.
fn exclusive() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often each task of a region ran.
fn counts(tasks: usize, threads: usize) -> Vec<usize> {
    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    run(tasks, threads, &NeverInterrupt, &|i| {
        counts[i].fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    counts.into_iter().map(AtomicUsize::into_inner).collect()
}

struct After {
    polls_left: Cell<usize>,
}

impl Interrupt for After {
    fn poll(&self) -> bool {
        let left = self.polls_left.get();
        self.polls_left.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn every_task_runs_once() {
    for threads in [0, 1, 2, 3, 7, 33] {
        for tasks in [0, 1, 2, 5, 1000] {
            assert_eq!(counts(tasks, threads), vec![1; tasks], "{tasks} tasks on {threads} threads");
        }
    }
}

#[test]
fn as_many_threads_as_asked_for_work_at_once() {
    for threads in [2, 3, 12] {
        // Every task waits for all others: fewer threads than tasks would wait for ever.
        let barrier = Barrier::new(threads);
        let ids = Mutex::new(HashSet::new());
        run(threads, threads, &NeverInterrupt, &|_| {
            barrier.wait();
            ids.lock().unwrap().insert(thread::current().id());
        })
        .unwrap();
        let ids = ids.into_inner().unwrap();
        assert_eq!(ids.len(), threads);
        assert!(ids.contains(&thread::current().id()));
    }
}

#[test]
fn one_thread_or_one_task_stays_with_the_caller() {
    let caller = thread::current().id();
    let check = |_| assert_eq!(thread::current().id(), caller);
    run(50, 1, &NeverInterrupt, &check).unwrap();
    run(1, 8, &NeverInterrupt, &check).unwrap();
}

#[test]
fn regions_inside_of_tasks_are_serial() {
    let total = AtomicUsize::new(0);
    run(8, 3, &NeverInterrupt, &|_| {
        let outer = thread::current().id();
        run(20, 3, &NeverInterrupt, &|_| {
            assert_eq!(thread::current().id(), outer);
            total.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    })
    .unwrap();
    assert_eq!(total.into_inner(), 160);
}

#[test]
fn many_callers_at_once() {
    thread::scope(|scope| {
        for caller in 0..8 {
            scope.spawn(move || {
                for round in 0..300 {
                    let tasks = 1 + (caller * 7 + round) % 23;
                    assert_eq!(counts(tasks, 1 + round % 4), vec![1; tasks]);
                }
            });
        }
    });
}

#[test]
fn a_panic_becomes_an_error_and_the_pool_stays_usable() {
    for threads in [1, 2, 4] {
        for culprit in [0, 17, 99] {
            let error = run(100, threads, &NeverInterrupt, &|i| {
                if i == culprit {
                    panic!("task {i} is broken");
                }
            })
            .unwrap_err();
            assert_eq!(error, Error::Internal(format!("a task panicked: task {culprit} is broken")));
            assert_eq!(counts(100, threads), vec![1; 100]);
        }
    }
    let error = run(2, 2, &NeverInterrupt, &|_| std::panic::panic_any(5)).unwrap_err();
    assert_eq!(error, Error::Internal("a task panicked: (no message)".into()));
}

#[test]
fn a_panic_in_a_worker_ends_the_callers_work() {
    let caller = thread::current().id();
    let (ran, worker_ran) = (AtomicUsize::new(0), AtomicBool::new(false));
    let tasks = 1_000_000;
    let error = run(tasks, 2, &NeverInterrupt, &|_| {
        if thread::current().id() != caller {
            worker_ran.store(true, Ordering::Relaxed);
            panic!("in a worker");
        }
        while !worker_ran.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        ran.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_micros(100));
    })
    .unwrap_err();
    assert_eq!(error, Error::Internal("a task panicked: in a worker".into()));
    assert!(ran.into_inner() < tasks / 10);
}

#[test]
fn a_panic_in_a_region_inside_of_a_task_is_an_error_there() {
    run(4, 2, &NeverInterrupt, &|_| {
        let inner = run(4, 2, &NeverInterrupt, &|_| panic!("deep"));
        assert_eq!(inner, Err(Error::Internal("a task panicked: deep".into())));
    })
    .unwrap();
    // The flag of the region was taken back: this one is parallel again.
    let barrier = Barrier::new(2);
    run(2, 2, &NeverInterrupt, &|_| {
        barrier.wait();
    })
    .unwrap();
}

#[test]
fn interrupts_stop_serial_and_parallel_regions() {
    for threads in [1, 2, 3] {
        let ran = AtomicUsize::new(0);
        let interrupt = After { polls_left: Cell::new(1) };
        let result = run(10_000, threads, &interrupt, &|_| {
            ran.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
        });
        assert_eq!(result, Err(Error::Interrupted));
        let ran = ran.into_inner();
        assert!((2..5_000).contains(&ran), "{ran} tasks ran on {threads} threads");
    }
}

#[test]
fn many_short_regions_are_interrupted_too() {
    let interrupt = After { polls_left: Cell::new(0) };
    let stopped = (0..10_000).any(|_| {
        let result = run(2, 1, &interrupt, &|_| thread::sleep(Duration::from_millis(1)));
        result == Err(Error::Interrupted)
    });
    assert!(stopped);
}

#[test]
fn short_regions_do_not_ask() {
    // A thread of its own, as other tests leave time behind on theirs.
    let polled = thread::spawn(|| {
        let interrupt = After { polls_left: Cell::new(0) };
        run(3, 1, &interrupt, &|_| ()).is_err()
    });
    assert!(!polled.join().unwrap());
}

#[test]
fn the_number_of_threads_can_change_while_regions_run() {
    let _exclusive = exclusive();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(counts(40, 3), vec![1; 40]);
                }
            });
        }
        for round in 0..200 {
            set_num_threads(1 + round % 4).unwrap();
            assert_eq!(num_threads(), 1 + round % 4);
            assert_eq!(counts(40, num_threads()), vec![1; 40]);
        }
        done.store(true, Ordering::Relaxed);
    });
    set_num_threads(3).unwrap();
    assert_eq!(num_threads_reason(), "3: set_num_threads");
}

#[test]
fn thread_counts_out_of_range_are_refused() {
    for n in [0, MAX_THREADS + 1, usize::MAX] {
        let text = format!("the number of threads must be from 1 to 4096, but got {n}");
        assert_eq!(set_num_threads(n), Err(Error::Argument(text)));
    }
}

#[test]
fn values_borrowed_by_tasks_outlive_all_helpers() {
    // Under a sanitizer or with luck, a helper that is late would be seen touching freed memory.
    for round in 0..2_000 {
        let data: Box<[usize]> = vec![round; 64].into();
        let wrong = AtomicUsize::new(0);
        run(4, 4, &NeverInterrupt, &|i| {
            wrong.fetch_add(usize::from(data[i * 16] != round), Ordering::Relaxed);
        })
        .unwrap();
        drop(data);
        assert_eq!(wrong.into_inner(), 0);
    }
}
