use std::alloc::{GlobalAlloc, Layout};

use super::small::Size;
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
        self.0.first.give_back(&self.0.large);
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

#[test]
fn a_small_block_that_is_freed_is_the_next_one_of_its_size() {
    let call = Call::new();
    let (first, other) = (call.alloc(20, 1), call.alloc(40, 8));
    let apart = first.addr().abs_diff(other.addr());
    assert!(apart >= 32, "blocks of two sizes don't overlap");
    call.free(first, 20, 1);
    assert_ne!(call.alloc(40, 8), first, "another size has its own list");
    assert_eq!(call.alloc(32, 4), first, "32 bytes have the size of 20");
}

#[test]
fn small_blocks_of_all_sizes_keep_their_bytes_beside_each_other() {
    let call = Call::new();
    let mut blocks = Vec::new();
    for round in 0..3_u8 {
        for size in 1..=300 {
            let block = call.alloc(size, 1);
            let mark = u8::try_from(size % 251).expect("a byte") ^ round;
            // SAFETY: the memory has this size.
            unsafe { block.write_bytes(mark, size) };
            blocks.push((block, size, mark));
        }
        // A third of them is freed and used again in the next round.
        let (freed, kept) = blocks.into_iter().partition(|(_, size, _)| size % 3 == 0);
        blocks = kept;
        for (block, size, _) in freed {
            call.free(block, size, 1);
        }
    }
    for (block, size, mark) in blocks {
        // SAFETY: it is allocated, and has this size.
        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
        assert!(bytes.iter().all(|byte| *byte == mark), "{size} bytes");
    }
}

#[test]
fn a_small_block_that_grows_keeps_its_bytes_and_gives_its_place_back() {
    let call = Call::new();
    let layout = |size| Layout::from_size_align(size, 1).expect("a layout");
    let block = call.alloc(20, 1);
    // SAFETY: it was allocated with this layout, and each later one with the size before.
    let same = unsafe { call.0.realloc(block, layout(20), 30) };
    assert_eq!(same, block, "30 bytes fit where 20 are");
    // SAFETY: as above.
    let moved = unsafe { call.0.realloc(same, layout(30), 5000) };
    // SAFETY: 20 bytes of it are written.
    let kept = unsafe { std::slice::from_raw_parts(moved, 20) };
    assert!(kept.iter().all(|byte| *byte == 0xa5), "with its bytes");
    assert_eq!(call.alloc(32, 1), block, "its old place is free");
    // SAFETY: as above.
    let shrunk = unsafe { call.0.realloc(moved, layout(5000), 20) };
    // SAFETY: 20 bytes of it are written.
    let kept = unsafe { std::slice::from_raw_parts(shrunk, 20) };
    assert!(kept.iter().all(|byte| *byte == 0xa5), "and when it shrinks");
    call.free(shrunk, 20, 1);
}

#[test]
fn each_size_has_room_for_what_it_is_asked_for_and_wastes_at_most_a_quarter() {
    for size in 1..=5000 {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        match Size::of(layout) {
            Some(small) => {
                assert!(small.bytes() >= size, "{size} bytes fit");
                let most = (size + size / 4).max(size + 15);
                assert!(small.bytes() <= most, "{size} bytes take {small:?}");
            }
            None => assert!(size > 4096, "{size} bytes are large"),
        }
    }
    let aligned = Layout::from_size_align(16, 32).expect("a layout");
    assert_eq!(Size::of(aligned), None, "blocks are aligned to 16 bytes");
}

#[test]
fn large_blocks_join_when_they_are_free_and_are_used_again() {
    let call = Call::new();
    let blocks: Vec<_> = (0..4).map(|_| call.alloc(10_000, 8)).collect();
    // The second and the third, then the first one before them.
    for index in [1, 2, 0] {
        call.free(blocks[index], 10_000, 8);
    }
    assert_eq!(
        call.alloc(30_000, 8),
        blocks[0],
        "three neighbours are one run"
    );
    assert_ne!(call.alloc(10_000, 8), blocks[3], "the fourth is in use");
}

#[test]
fn a_large_block_grows_where_it_is_if_what_follows_is_free_and_moves_if_not() {
    let call = Call::new();
    let layout = |size| Layout::from_size_align(size, 8).expect("a layout");
    let (first, second) = (call.alloc(10_000, 8), call.alloc(10_000, 8));
    // SAFETY: they were allocated with this layout.
    let moved = unsafe { call.0.realloc(first, layout(10_000), 12_000) };
    assert_ne!(moved, first, "the second one is in its way");
    // SAFETY: as above.
    let shorter = unsafe { call.0.realloc(second, layout(10_000), 6_000) };
    assert_eq!(shorter, second, "it shrinks where it is");
    // SAFETY: as above.
    let longer = unsafe { call.0.realloc(second, layout(6_000), 9_000) };
    assert_eq!(longer, second, "and grows into what it gave back");
    for (block, size) in [(moved, 10_000), (second, 6_000)] {
        // SAFETY: it is allocated, and has this size.
        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
        assert!(bytes.iter().all(|byte| *byte == 0xa5), "with its bytes");
    }
}

#[test]
fn memory_of_any_size_keeps_its_bytes_while_others_come_and_go() {
    let call = Call::new();
    let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
    // A linear congruential generator, so that a failure can be repeated.
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let intact = |block: *mut u8, size: usize, mark: u8| {
        // SAFETY: it is allocated, and has this size.
        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
        assert!(bytes.iter().all(|byte| *byte == mark), "{size} bytes");
    };
    for round in 0..20_000 {
        let mark = u8::try_from(round % 251).expect("a byte");
        let size = 1 + match next(4) {
            0 => next(300),
            1 => next(5_000),
            _ => next(40_000),
        };
        match next(3) {
            0 => {
                let layout = Layout::from_size_align(size, 1 << next(8)).expect("a layout");
                let block = call.alloc(size, layout.align());
                // SAFETY: the memory has this size.
                unsafe { block.write_bytes(mark, size) };
                blocks.push((block, layout, mark));
            }
            1 if !blocks.is_empty() => {
                let (block, layout, mark) = blocks.swap_remove(next(blocks.len()));
                intact(block, layout.size(), mark);
                call.free(block, layout.size(), layout.align());
            }
            _ if !blocks.is_empty() => {
                let index = next(blocks.len());
                let (block, layout, old) = blocks[index];
                // SAFETY: it was allocated with this layout.
                let moved = unsafe { call.0.realloc(block, layout, size) };
                intact(moved, layout.size().min(size), old);
                // SAFETY: the memory has this size.
                unsafe { moved.write_bytes(mark, size) };
                let layout = Layout::from_size_align(size, layout.align()).expect("a layout");
                assert_eq!(moved.addr() % layout.align(), 0, "it stays aligned");
                blocks[index] = (moved, layout, mark);
            }
            _ => {}
        }
    }
    for (block, layout, mark) in blocks {
        intact(block, layout.size(), mark);
    }
}
