use std::alloc::{GlobalAlloc, Layout};

use super::{Allocator, CHUNK_BYTES};

/// An allocator as a plugin has one, in a test that is the only thread that uses it.
struct Call(Allocator);

// === impl Call ===

impl Call {
    fn new() -> Self {
        Self(Allocator::new())
    }

    fn alloc(&self, size: usize, align: usize) -> *mut u8 {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: the size is not zero.
        let memory = unsafe { self.0.alloc(layout) };
        assert!(!memory.is_null(), "{size} bytes");
        assert_eq!(memory.addr() % align, 0, "aligned to {align}");
        // SAFETY: the memory has this size.
        unsafe { memory.write_bytes(0xa5, size) };
        memory
    }

    fn lent(&self, size: usize, align: usize) -> *mut u8 {
        let memory = self.0.lend(|| self.alloc(size, align));
        assert!(self.0.is_lent(memory.addr()), "of a chunk");
        memory
    }

    /// Frees memory that is the plugin's own, or the call's.
    fn free(&self, memory: *mut u8, size: usize, align: usize) {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: it was allocated with this layout.
        unsafe { self.0.dealloc(memory, layout) };
    }

    fn chunks(&self) -> usize {
        self.0.more.borrow().len()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.reset();
        self.0.first.give_back();
    }
}

#[test]
fn facts_lie_one_after_the_other_and_the_next_call_reuses_their_place() {
    let call = Call::new();
    let first = call.lent(3, 1);
    let second = call.lent(8, 8);
    assert!(second.addr() >= first.addr() + 3, "they don't overlap");
    assert!(second.addr() < first.addr() + 16, "and lie close");
    call.0.reset();
    assert_eq!(call.lent(5, 1), first, "the place of the call before");
    assert_eq!(call.chunks(), 0, "one chunk is enough");
}

#[test]
fn a_fact_that_is_freed_early_is_left_to_the_end_of_the_call() {
    let call = Call::new();
    let first = call.lent(8, 8);
    call.free(first, 8, 8);
    assert_ne!(call.lent(8, 8), first, "its place is not used again");
}

#[test]
fn memory_of_the_plugin_is_its_own_during_and_after_a_call() {
    let call = Call::new();
    let own = call.alloc(64, 8);
    assert!(!call.0.is_lent(own.addr()), "not of a chunk");
    call.lent(64, 8);
    call.0.reset();
    call.lent(CHUNK_BYTES, 1);
    // SAFETY: it is allocated, and has 64 bytes.
    let kept = unsafe { std::slice::from_raw_parts(own, 64) };
    assert!(kept.iter().all(|byte| *byte == 0xa5), "as it was written");
    call.free(own, 64, 8);
}

#[test]
fn memory_that_grows_stays_with_its_owner() {
    let call = Call::new();
    let layout = Layout::from_size_align(16, 8).expect("a layout");
    let own = call.alloc(16, 8);
    // SAFETY: it was allocated with this layout.
    let grown = call.0.lend(|| unsafe { call.0.realloc(own, layout, 4096) });
    assert!(!call.0.is_lent(grown.addr()), "the plugin's stays its own");
    call.free(grown, 4096, 8);

    let fact = call.lent(16, 8);
    // SAFETY: it was allocated with this layout.
    let longer = call.0.lend(|| unsafe { call.0.realloc(fact, layout, 64) });
    assert!(call.0.is_lent(longer.addr()), "a fact's stays the call's");
    // SAFETY: 16 bytes of it are written.
    let copied = unsafe { std::slice::from_raw_parts(longer, 16) };
    assert!(copied.iter().all(|byte| *byte == 0xa5), "with its bytes");
}

#[test]
fn a_call_within_another_leaves_the_facts_of_the_outer_one() {
    let call = Call::new();
    call.0.begin();
    let outer = call.lent(16, 8);
    call.0.begin();
    call.lent(1000, 8);
    call.0.end();
    let next = call.lent(16, 8);
    assert_ne!(next.addr(), outer.addr(), "the outer one still borrows it");
    call.0.end();
    let first = call.lent(16, 8);
    assert_eq!(
        first.addr(),
        outer.addr(),
        "after its end the memory is used anew"
    );
}

#[test]
fn more_facts_than_a_chunk_holds_take_further_chunks_until_the_call_ends() {
    let call = Call::new();
    let facts: Vec<_> = (0..100).map(|_| call.lent(1000, 8)).collect();
    assert_eq!(
        call.chunks(),
        3,
        "of 16, 32 and 64 KiB, after the first one"
    );
    for (index, fact) in facts.iter().enumerate() {
        let others = facts.iter().skip(index + 1);
        let apart = |other: &*mut u8| other.addr().abs_diff(fact.addr()) >= 1000;
        assert!(others.clone().all(apart), "no two overlap");
    }
    call.0.reset();
    assert_eq!(call.chunks(), 0, "all but the first are given back");
    assert_eq!(call.lent(1, 1), facts[0], "the first one stays");
}

#[test]
fn a_fact_that_is_larger_than_a_chunk_has_one_of_its_own_which_does_not_stay() {
    let call = Call::new();
    for _ in 0..2 {
        let large = call.lent(1 << 20, 1);
        assert!(call.0.is_lent(large.addr() + (1 << 20) - 1), "to its end");
        let small = call.lent(8, 8);
        assert!(call.0.is_lent(small.addr()), "the next one works, too");
        call.0.reset();
        assert!(!call.0.is_lent(large.addr()), "it is given back");
        assert!(!call.0.first.is_empty(), "the first chunk stays");
    }
}

#[test]
fn any_alignment_is_kept() {
    let call = Call::new();
    for align in [1, 2, 4, 8, 16, 64, 4096, 1 << 16] {
        call.lent(1, 1);
        call.lent(24, align);
    }
}

#[test]
fn further_chunks_double_up_to_a_mebibyte_and_no_further() {
    let call = Call::new();
    let mut asked = 0;
    let mut sizes = Vec::new();
    for wanted in 1..=9 {
        let before = asked;
        while call.chunks() < wanted {
            call.lent(1024, 1);
            asked += 1024;
        }
        sizes.push((asked - before) >> 10);
    }
    // Each chunk is made when the one before is full, the first one of 16 KiB included.
    assert_eq!(sizes, [17, 16, 32, 64, 128, 256, 512, 1024, 1024], "in KiB");
}
