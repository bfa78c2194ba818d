//! Parallel regions: [`run`] calls a task for every index of a range on a few threads.
//!
//! The caller is one of the threads. It starts at once on indices from a shared counter, and workers of an own
//! rayon pool join it when they have woken up. It waits at the end for workers that have entered the region and
//! for no others, so that a worker that wakes up late, or is busy with another caller's region, delays nobody:
//! regions of many callers run side by side and cannot dead-lock. A region inside of a task runs serially.
//!
//! After a region, its workers look for the next one for some microseconds before they go to sleep, as waking a
//! thread takes longer than many a layer.
//!
//! In a forked child the parent's workers do not exist and its locks may be held for ever, so that the child
//! makes its own and never touches the old ones.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::knobs::{self, MAX_THREADS};
use crate::os::{self, CpuLimits};

/// How often, at most, a caller is asked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a worker looks for another region before it goes to sleep.
const LINGER: Duration = Duration::from_micros(50);
/// How long a caller looks for the end of the last tasks before it goes to sleep.
const AWAIT: Duration = Duration::from_micros(50);
/// Workers that one thread wakes. Waking takes the waker a few microseconds and the woken one many, so that a
/// flat tree is best for few threads and a deep one for many.
const FAN_OUT: usize = 4;

/// Asked now and then by the thread that called [`run`]; true means: stop.
pub trait Interrupt {
    /// Whether to stop.
    fn poll(&self) -> bool;
}

/// Never asks to stop.
#[derive(Debug, Clone, Copy)]
pub struct NeverInterrupt;

impl Interrupt for NeverInterrupt {
    fn poll(&self) -> bool {
        false
    }
}

/// What [`set_num_threads`] set, or 0.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);
/// The default once it is known, or 0. Not a `OnceLock`, which a fork may leave locked.
static DEFAULT: AtomicUsize = AtomicUsize::new(0);

fn remembered(cell: &AtomicUsize, compute: impl FnOnce() -> usize) -> usize {
    match cell.load(Ordering::Relaxed) {
        0 => {
            let value = compute();
            cell.store(value, Ordering::Relaxed);
            value
        }
        value => value,
    }
}

/// The number of threads that a call may use: what [`set_num_threads`] set, else `RSCONV_NUM_THREADS`, else what
/// [`CpuLimits`] allows. A variable that is not valid counts as unset here; [`knobs::validate`] refuses it.
pub fn num_threads() -> usize {
    match CHOSEN.load(Ordering::Relaxed) {
        0 => remembered(&DEFAULT, || knobs::num_threads().ok().flatten().unwrap_or_else(cpus)),
        chosen => chosen,
    }
}

/// The number of threads that can make progress at once.
fn cpus() -> usize {
    static CPUS: AtomicUsize = AtomicUsize::new(0);
    remembered(&CPUS, || CpuLimits::detect().count().min(MAX_THREADS))
}

/// Sets the number of threads for all later calls of this process, an integer from 1 to [`MAX_THREADS`].
pub fn set_num_threads(n: usize) -> Result<()> {
    if !(1..=MAX_THREADS).contains(&n) {
        return Err(Error::Argument(format!(
            "the number of threads must be from 1 to {MAX_THREADS}, but got {n}"
        )));
    }
    CHOSEN.store(n, Ordering::Relaxed);
    let mut pool = Process::current().pool.lock().unwrap_or_else(PoisonError::into_inner);
    // Callers that still use the old one share its ownership; the last of them ends its threads.
    pool.take_if(|pool| pool.workers != n - 1);
    Ok(())
}

/// Why [`num_threads`] is what it is.
pub fn num_threads_reason() -> String {
    let reason = if CHOSEN.load(Ordering::Relaxed) != 0 {
        "set_num_threads".into()
    } else if let Ok(Some(_)) = knobs::num_threads() {
        "RSCONV_NUM_THREADS".into()
    } else {
        CpuLimits::detect().to_string()
    };
    format!("{}: {reason}", num_threads())
}

struct Pool {
    workers: usize,
    rayon: rayon::ThreadPool,
}

/// What belongs to one process and not to its forked children.
struct Process {
    generation: usize,
    pool: Mutex<Option<Arc<Pool>>>,
}

impl Process {
    fn current() -> &'static Process {
        static CURRENT: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
        let generation = os::fork_generation();
        loop {
            let current = CURRENT.load(Ordering::Acquire);
            // SAFETY: `CURRENT` is null or points to a `Process` that was leaked below and is never freed; it
            // was written before the pointer was released.
            #[allow(unsafe_code)]
            let known = unsafe { current.as_ref() };
            if let Some(process) = known.filter(|process| process.generation == generation) {
                return process;
            }
            let fresh = Box::leak(Box::new(Process { generation, pool: Mutex::new(None) }));
            let _ = CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// A pool of at least so many workers.
    fn pool(&self, workers: usize) -> Result<Arc<Pool>> {
        let mut slot = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = slot.as_ref().filter(|pool| pool.workers >= workers) {
            return Ok(pool.clone());
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(workers);
        let rayon = builder
            .thread_name(|i| format!("rsconv-{i}"))
            .build()
            .map_err(|error| Error::Internal(format!("cannot start {workers} worker threads: {error}")))?;
        let pool = Arc::new(Pool { workers, rayon });
        *slot = Some(pool.clone());
        Ok(pool)
    }
}

thread_local! {
    /// Whether this thread is inside of a task of a parallel region.
    static IN_REGION: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread is a worker that looks for another region.
    static LINGERS: Cell<bool> = const { Cell::new(false) };
    /// Time that this thread has spent in regions since it was last asked whether to stop.
    static SINCE_POLL: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets a flag of the thread until it is dropped.
struct Raised(&'static thread::LocalKey<Cell<bool>>);

impl Raised {
    fn new(flag: &'static thread::LocalKey<Cell<bool>>) -> Raised {
        flag.set(true);
        Raised(flag)
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Says when to ask whether to stop. It counts the time inside of regions only and across them: a call of many
/// short regions is asked too, and one that follows a pause is not asked at once.
struct Pace {
    since: Instant,
}

impl Pace {
    fn resume() -> Pace {
        let now = Instant::now();
        Pace { since: now.checked_sub(SINCE_POLL.get()).unwrap_or(now) }
    }

    fn asks_to_stop(&mut self, interrupt: &dyn Interrupt) -> bool {
        let now = Instant::now();
        if now - self.since < POLL_INTERVAL {
            return false;
        }
        self.since = now;
        interrupt.poll()
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        SINCE_POLL.set(self.since.elapsed());
    }
}

/// Calls `task(i)` once for each `i` in `0..tasks`, on the calling thread and at most `threads - 1` others.
///
/// It is serial if `threads` or `tasks` is at most 1, and inside of a task of a parallel region. `interrupt` is
/// asked between tasks, at most every 20 ms, and not by regions inside of tasks.
///
/// # Errors
/// [`Error::Interrupted`] if `interrupt` said so; [`Error::Internal`] with the message of a task's panic, or if
/// threads cannot be started. Tasks that had not begun are not run then; those that had are complete on return.
pub fn run(
    tasks: usize,
    threads: usize,
    interrupt: &dyn Interrupt,
    task: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    if IN_REGION.get() {
        return guarded(|| {
            (0..tasks).for_each(task);
            Ok(())
        });
    }
    let helpers = threads.min(tasks).saturating_sub(1);
    if helpers == 0 {
        return guarded(|| {
            let mut pace = Pace::resume();
            for i in 0..tasks {
                if pace.asks_to_stop(interrupt) {
                    return Err(Error::Interrupted);
                }
                task(i);
            }
            Ok(())
        });
    }
    let workers = num_threads().max(threads) - 1;
    let pool = Process::current().pool(workers)?;
    let lingers = workers < cpus();
    // SAFETY: `Entered`, whose drop is reached however this function is left, closes the region and waits for
    // all helpers inside of it; a closed region lets none in, and only those inside use `task`.
    #[allow(unsafe_code)]
    let task =
        unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
    let region = Arc::new(Region {
        task,
        tasks,
        next: AtomicUsize::new(0),
        state: AtomicUsize::new(0),
        helpers,
        lingers,
        caller: thread::current(),
        panic: Mutex::new(None),
    });
    let outcome = {
        let entered = Entered(&region);
        entered.0.recruit(0, |helper| pool.rayon.spawn(helper));
        let _flag = Raised::new(&IN_REGION);
        let outcome = guarded(|| {
            let mut pace = Pace::resume();
            region.work(|| pace.asks_to_stop(interrupt))
        });
        if outcome.is_err() {
            region.stop();
        }
        outcome
    };
    let panic = region.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    panic.map_or(outcome, Err)
}

/// The value of `f`, or its panic as an error.
fn guarded(f: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a task panicked: {}", text.unwrap_or("(no message)"))
}

/// Set in a region's state once no helper may enter it; the other bits count the helpers inside.
const CLOSED: usize = 1 << (usize::BITS - 1);

struct Region {
    task: &'static (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    state: AtomicUsize,
    helpers: usize,
    lingers: bool,
    caller: Thread,
    panic: Mutex<Option<Error>>,
}

impl Region {
    /// Runs tasks until there are no more, or `stop` says so.
    fn work(&self, mut stop: impl FnMut() -> bool) -> Result<()> {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= self.tasks {
                return Ok(());
            }
            if stop() {
                return Err(Error::Interrupted);
            }
            (self.task)(i);
        }
    }

    /// Lets no thread take a further task.
    fn stop(&self) {
        self.next.store(self.tasks, Ordering::Relaxed);
    }

    /// Hands the helpers that are children of `node` in the tree of wake-ups to `spawn`. Node 0 is the caller.
    fn recruit(self: &Arc<Region>, node: usize, spawn: impl Fn(Box<dyn FnOnce() + Send>)) {
        for child in
            (FAN_OUT * node + 1..=FAN_OUT * node + FAN_OUT).take_while(|&child| child <= self.helpers)
        {
            let region = self.clone();
            spawn(Box::new(move || region.help(child)));
        }
    }

    fn help(self: Arc<Region>, node: usize) {
        let entered = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
            (state & CLOSED == 0).then_some(state + 1)
        });
        if entered.is_err() {
            return;
        }
        self.recruit(node, rayon::spawn);
        {
            let _flag = Raised::new(&IN_REGION);
            if let Err(error) = guarded(|| self.work(|| false)) {
                self.stop();
                self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
        if self.state.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
            self.caller.unpark();
        }
        if self.lingers {
            drop(self);
            linger();
        }
    }
}

/// The calling thread's part in a region. When it ends, helpers have left and none can enter.
struct Entered<'a>(&'a Arc<Region>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        if state.fetch_or(CLOSED, Ordering::AcqRel) == 0 {
            return;
        }
        let start = Instant::now();
        while state.load(Ordering::Acquire) != CLOSED {
            if self.0.lingers && start.elapsed() < AWAIT {
                std::hint::spin_loop();
            } else {
                thread::park();
            }
        }
    }
}

/// Keeps a worker awake for a while, as the next region may begin soon.
fn linger() {
    // A helper that was found below returns to that loop, which goes on.
    if LINGERS.get() {
        return;
    }
    let _flag = Raised::new(&LINGERS);
    let mut since = Instant::now();
    while since.elapsed() < LINGER {
        if let Some(rayon::Yield::Executed) = rayon::yield_now() {
            since = Instant::now();
        }
        std::hint::spin_loop();
    }
}

#[cfg(test)]
#[path = "threads_tests.rs"]
mod tests;
