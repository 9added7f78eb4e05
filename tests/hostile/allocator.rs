//! The system's allocator, and a count of what each thread takes of it.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is unsafe by its trait, and only a test"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What one thread has asked for and not given back, and the most of it at one time.
#[derive(Clone, Copy)]
struct Taken {
    bytes: isize,
    most: isize,
}

thread_local! {
    static TAKEN: Cell<Taken> = const { Cell::new(Taken { bytes: 0, most: 0 }) };
}

fn count(bytes: isize) {
    // A cell without a destructor is there until the thread's very end.
    TAKEN.with(|taken| {
        let Taken {
            bytes: before,
            most,
        } = taken.get();
        let bytes = before + bytes;
        taken.set(Taken {
            bytes,
            most: most.max(bytes),
        });
    });
}

struct Counting;

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting
// touches only a thread's own cell, which takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `run` has at one time, beyond what was there before.
pub(crate) fn most_bytes(run: impl FnOnce()) -> usize {
    let before = TAKEN.get().bytes;
    TAKEN.set(Taken {
        bytes: before,
        most: before,
    });
    run();
    usize::try_from(TAKEN.get().most - before).expect("no less than before")
}
