//! Cases about time, wake-ups and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::World;
use super::driver::{Driver, TIMEOUT, payload};
use super::peers::Manner;
use crate::memory::Buffer;

pub(super) fn a_wait_ends_with_its_time(world: &mut World) {
    let mut io = world.io();
    let mut completions = Vec::new();
    let start = io.now();
    io.reap(Some(start), &mut completions).unwrap();
    assert!(io.now() - start < TIMEOUT);
    // Signals may end a wait early, other things may not; and there are no signals here.
    let until = io.now() + Duration::from_millis(20);
    io.reap(Some(until), &mut completions).unwrap();
    assert!(io.now() >= until);
    assert!(io.now() - until < TIMEOUT);
    assert!(completions.is_empty());
    // Something under way that does not come changes nothing.
    let silent = world.peer(Manner::Silent);
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(silent);
    driver.receive(socket, 1);
    let start = driver.io.now();
    driver.assert_quiet(Duration::from_millis(20));
    assert!(driver.io.now() - start < TIMEOUT);
}

pub(super) fn a_wake_up_ends_a_wait(world: &mut World) {
    let mut io = world.io();
    let mut completions = Vec::new();
    for _ in 0..100 {
        let waker = io.waker();
        let thread = thread::spawn(move || waker.wake());
        io.reap(None, &mut completions).unwrap();
        thread.join().unwrap();
        assert!(completions.is_empty());
    }
    // From a thread that wakes again and again while we wait again and again.
    let waker = io.waker();
    let done = Arc::new(AtomicBool::new(false));
    let thread = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let start = Instant::now();
            while !done.load(Ordering::Acquire) && start.elapsed() < TIMEOUT {
                waker.wake();
            }
        }
    });
    for _ in 0..1000 {
        io.reap(None, &mut completions).unwrap();
    }
    done.store(true, Ordering::Release);
    thread.join().unwrap();
}

pub(super) fn wake_ups_coalesce(world: &mut World) {
    let mut io = world.io();
    let mut completions = Vec::new();
    let waker = io.waker();
    waker.wake();
    waker.clone().wake();
    io.reap(None, &mut completions).unwrap();
    let until = io.now() + Duration::from_millis(10);
    while io.now() < until {
        let before = io.now();
        io.reap(Some(until), &mut completions).unwrap();
        assert!(io.now() > before, "one wake-up ends one wait");
    }
    assert!(completions.is_empty());
}

/// The kernel must be done with every buffer when `drop` returns: memory that is handed out after
/// it keeps what is put there, although what was asked for could still come.
pub(super) fn dropped_with_everything_under_way(world: &mut World) {
    let silent = world.peer(Manner::Silent);
    let hole = world.peer(Manner::BlackHole);
    let echo = world.peer(Manner::Echo);
    for reaped in [false, true] {
        let mut driver = Driver::new(world.io());
        let waker = driver.io.waker();
        let file = driver.io.add_file(tempfile::tempfile().unwrap().into());
        let stuck = driver.connect(silent);
        let busy = driver.connect(echo);
        driver.send(stuck, payload(&vec![1; 32 << 20]));
        driver.receive(stuck, 100);
        driver.send(busy, payload(&vec![2; 1 << 20]));
        driver.receive(busy, 1 << 20);
        let token = driver.token();
        driver.io.connect(hole, token);
        for index in 0..50 {
            let token = driver.token();
            driver
                .io
                .write(file, index << 16, Buffer::new(1 << 16), 0..1 << 16, token);
            let token = driver.token();
            driver
                .io
                .read(file, index << 15, Buffer::new(1 << 16), 0..1 << 16, token);
        }
        let token = driver.token();
        driver.io.sync(file, token);
        if reaped {
            driver
                .io
                .reap(Some(driver.io.now()), &mut Vec::new())
                .unwrap();
        }
        let start = Instant::now();
        drop(driver);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "the end does not wait for peers"
        );
        waker.wake();
    }
}
