//! The guarded buffers themselves: what they hold, and that the pages around them cannot be touched.
#![cfg(unix)]

#[path = "support/guarded.rs"]
mod guarded;

use guarded::GuardedBuf;

/// The signal that ends a child which runs `f`, or 0.
fn signal_of(f: impl FnOnce()) -> i32 {
    // SAFETY: the child runs `f`, which only reads or writes memory, and leaves without running destructors.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork failed");
        if child == 0 {
            // The default action, not the handler of the Rust runtime, which would write to stderr.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
            f();
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 }
    }
}

fn reads_at<T: Copy>(buffer: &GuardedBuf<T>, offset: isize) -> i32 {
    // SAFETY: not sound where `offset` is outside of the buffer; that it faults is what the test is about.
    signal_of(|| unsafe {
        std::hint::black_box(buffer.as_ptr().offset(offset).read_volatile());
    })
}

fn writes_at<T: Copy>(buffer: &mut GuardedBuf<T>, offset: isize) -> i32 {
    let first = buffer[0];
    // SAFETY: as in `reads_at`.
    signal_of(|| unsafe { buffer.as_mut_ptr().offset(offset).write_volatile(first) })
}

fn check<T: Copy>(len: usize) {
    let mut end = GuardedBuf::<T>::at_end(len);
    let mut start = GuardedBuf::<T>::at_start(len);
    assert_eq!((end.len(), start.len()), (len, len));
    let last = len as isize - 1;
    for inside in [0, last] {
        assert_eq!(reads_at(&end, inside), 0);
        assert_eq!(writes_at(&mut end, inside), 0);
        assert_eq!(reads_at(&start, inside), 0);
        assert_eq!(writes_at(&mut start, inside), 0);
    }
    let fault = [libc::SIGSEGV, libc::SIGBUS];
    assert!(fault.contains(&reads_at(&end, last + 1)));
    assert!(fault.contains(&writes_at(&mut end, last + 1)));
    assert!(fault.contains(&reads_at(&start, -1)));
    assert!(fault.contains(&writes_at(&mut start, -1)));
}

#[test]
fn one_element_beyond_faults() {
    check::<u8>(1);
    check::<f32>(3);
    check::<f64>(512);
    check::<f32>(1025);
}

#[test]
fn contents_start_as_zeros_and_are_kept() {
    let mut buffer = GuardedBuf::<f64>::at_end(700);
    assert!(buffer.iter().all(|&x| x == 0.0));
    buffer[699] = 2.5;
    assert_eq!(buffer.iter().sum::<f64>(), 2.5);
}

#[test]
fn empty_buffers_are_fine() {
    assert!(GuardedBuf::<f32>::at_end(0).is_empty());
    assert!(GuardedBuf::<f32>::at_start(0).is_empty());
}
