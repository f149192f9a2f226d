//! Where the module's memory comes from: blocks of fixed sizes, kept by size once they are free.
//!
//! Taking and giving back are a few instructions without a loop or a search, so neither the time nor
//! the step count of an evaluation depends on what the heap has been through. A block that is given
//! back is zero but for the link to the next, so what an evaluation held is gone with it.

use std::alloc::Layout;
use std::cell::UnsafeCell;

/// Sizes up to here have a class for every 16 bytes.
const SMALL: usize = 512;
const SMALL_CLASSES: usize = SMALL / 16;
/// Larger ones have four classes between powers of two, up to four gibibytes.
const SIZED: usize = SMALL_CLASSES + 4 * 23;
/// What must lie at a multiple of more than 16 is rare, and has a class for every power of two.
const CLASSES: usize = SIZED + 32;
const COARSEST: usize = 4_096;
const PAGE: usize = 65_536;

struct Heap {
    free: [*mut u8; CLASSES],
    /// Memory that was never a block: from here to there, all zero.
    next: usize,
    end: usize,
    /// The lowest place of the stack that was seen.
    deepest: usize,
}

/// One thread only: the target has no others.
pub struct Pool(UnsafeCell<Heap>);

unsafe impl Sync for Pool {}

extern "C" {
    static __heap_base: u8;
}

/// The class of a layout, and the size of its blocks.
#[inline]
fn class_of(size: usize, align: usize) -> (usize, usize) {
    if align > 16 {
        let whole = size.max(align).next_power_of_two();
        return (SIZED + whole.trailing_zeros() as usize, whole);
    }
    if size <= SMALL {
        let index = size.saturating_sub(1) / 16;
        return (index, (index + 1) * 16);
    }
    // Four steps between 2^k and 2^(k+1): the two bits below the highest one.
    let last = size - 1;
    let power = usize::BITS - 1 - last.leading_zeros();
    let step = (last >> (power - 2)) & 3;
    let index = SMALL_CLASSES + 4 * (power as usize - 9) + step;
    (index, (step + 5) << (power - 2))
}

impl Pool {
    pub const fn new() -> Self {
        Pool(UnsafeCell::new(Heap {
            free: [std::ptr::null_mut(); CLASSES],
            next: 0,
            end: 0,
            deepest: usize::MAX,
        }))
    }

    /// A block of which all but the first word is zero, or null.
    #[inline]
    pub unsafe fn take(&self, layout: Layout) -> *mut u8 {
        let heap = &mut *self.0.get();
        let mark = 0u8;
        let here = std::hint::black_box(&mark) as *const u8 as usize;
        if here < heap.deepest {
            heap.deepest = here;
        }
        let (class, size) = class_of(layout.size(), layout.align());
        let block = heap.free[class];
        if block.is_null() {
            // Blocks of one class serve every layout in it.
            return heap.carve(size, if class < SIZED { 16 } else { size.min(COARSEST) });
        }
        heap.free[class] = *(block as *const *mut u8);
        block
    }

    pub unsafe fn take_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = self.take(layout);
        if !block.is_null() {
            *(block as *mut u64) = 0;
        }
        block
    }

    #[inline]
    pub unsafe fn give(&self, block: *mut u8, layout: Layout) {
        let heap = &mut *self.0.get();
        wipe(block, layout.size());
        let (class, _) = class_of(layout.size(), layout.align());
        *(block as *mut *mut u8) = heap.free[class];
        heap.free[class] = block;
    }

    /// The same block where it is of the size's class too, or a copy in another.
    pub unsafe fn resize(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let old = layout.size();
        if class_of(old, layout.align()).0 == class_of(size, layout.align()).0 {
            if size < old {
                // Whoever gives the block back wipes no more than its size.
                std::ptr::write_bytes(block.add(size), 0, old - size);
            }
            return block;
        }
        let moved = self.take(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            std::ptr::copy_nonoverlapping(block, moved, old.min(size));
            self.give(block, layout);
        }
        moved
    }

    /// Wipes the part of the stack that lies below the caller and was in use. The stack comes first
    /// in memory and grows down; nothing of this function itself lies below its mark.
    #[inline(never)]
    pub unsafe fn wipe_stack(&self) {
        /// More than any function takes that allocates nothing.
        const MARGIN: usize = 32_768;
        let heap = &mut *self.0.get();
        let mark = 0u8;
        let here = std::hint::black_box(&mark) as *const u8 as usize;
        let from = heap.deepest.saturating_sub(MARGIN).max(16);
        if from < here {
            std::ptr::write_bytes(from as *mut u8, 0, here - from);
        }
        heap.deepest = usize::MAX;
    }
}

impl Heap {
    #[cold]
    unsafe fn carve(&mut self, size: usize, align: usize) -> *mut u8 {
        if self.next == 0 {
            self.next = std::ptr::addr_of!(__heap_base) as usize;
            self.end = core::arch::wasm32::memory_size(0) * PAGE;
        }
        let start = (self.next + align - 1) & !(align - 1);
        let Some(end) = start.checked_add(size) else {
            return std::ptr::null_mut();
        };
        if end > self.end {
            let pages = (end - self.end).div_ceil(PAGE);
            if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return std::ptr::null_mut();
            }
            self.end += pages * PAGE;
        }
        self.next = end;
        start as *mut u8
    }
}

/// Zeroes at least `size` bytes of a block. Straight for the many small ones: a call of
/// `memory.fill` costs more than the words of one.
#[inline]
unsafe fn wipe(block: *mut u8, size: usize) {
    if size > 128 {
        std::ptr::write_bytes(block, 0, size);
        return;
    }
    let words = block as *mut u64;
    let zero = |at: usize| {
        words.add(at).write_volatile(0);
        words.add(at + 1).write_volatile(0);
    };
    zero(0);
    if size > 16 {
        zero(2);
    }
    if size > 32 {
        zero(4);
    }
    if size > 48 {
        zero(6);
    }
    if size > 64 {
        zero(8);
    }
    if size > 80 {
        zero(10);
    }
    if size > 96 {
        zero(12);
    }
    if size > 112 {
        zero(14);
    }
}
