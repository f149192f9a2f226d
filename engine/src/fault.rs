//! What ends a call early, and the two things a host fixes: memory and seed.

#[cfg(target_arch = "wasm32")]
use crate::pool::Pool;
#[cfg(target_arch = "wasm32")]
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::Mutex;

const MEMORY: u32 = 1;
const PANIC: u32 = 2;

static KIND: AtomicU32 = AtomicU32::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static MESSAGE: Mutex<String> = Mutex::new(String::new());
static SEED: Mutex<([u8; 32], u64)> = Mutex::new(([0; 32], 0));

/// Counts live bytes; an allocation beyond the limit ends the call.
#[cfg(target_arch = "wasm32")]
struct Bounded(Pool);

#[cfg(target_arch = "wasm32")]
fn out_of_memory() -> ! {
    KIND.store(MEMORY, Ordering::Relaxed);
    core::arch::wasm32::unreachable()
}

#[cfg(target_arch = "wasm32")]
#[inline]
fn charge(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    if live > LIMIT.load(Ordering::Relaxed) {
        out_of_memory();
    }
}

#[cfg(target_arch = "wasm32")]
#[inline]
fn there(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        out_of_memory();
    }
    block
}

#[cfg(target_arch = "wasm32")]
unsafe impl GlobalAlloc for Bounded {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        there(self.0.take(layout))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        there(self.0.take_zeroed(layout))
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        self.0.give(pointer, layout);
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() {
            charge(size - layout.size());
        } else {
            LIVE.fetch_sub(layout.size() - size, Ordering::Relaxed);
        }
        there(self.0.resize(pointer, layout, size))
    }
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Bounded = Bounded(Pool::new());

/// Wipes what calls have left on the stack.
pub fn wipe_stack() {
    #[cfg(target_arch = "wasm32")]
    unsafe {
        ALLOCATOR.0.wipe_stack();
    }
}

pub fn install(memory_limit: usize) {
    LIMIT.store(memory_limit, Ordering::Relaxed);
    std::panic::set_hook(Box::new(|info| {
        KIND.store(PANIC, Ordering::Relaxed);
        if let Ok(mut message) = MESSAGE.try_lock() {
            *message = info.to_string();
        }
    }));
}

/// Bytes that are allocated now.
pub fn live_bytes() -> usize {
    LIVE.load(Ordering::Relaxed)
}

pub fn kind() -> u32 {
    KIND.load(Ordering::Relaxed)
}

/// The panic's message. The text stays where it is: nothing writes it after a fault.
pub fn message() -> &'static str {
    match MESSAGE.try_lock() {
        Ok(message) => unsafe { std::mem::transmute::<&str, &'static str>(message.as_str()) },
        Err(_) => "",
    }
}

pub fn set_seed(seed: [u8; 32]) {
    if let Ok(mut slot) = SEED.lock() {
        *slot = (seed, 0);
    }
}

/// Entropy of the random builtins: the seed, then the seed with a counter mixed in.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
unsafe extern "Rust" fn __getrandom_v03_custom(
    pointer: *mut u8,
    length: usize,
) -> Result<(), getrandom::Error> {
    let out = std::slice::from_raw_parts_mut(pointer, length);
    if let Ok(mut slot) = SEED.lock() {
        for chunk in out.chunks_mut(32) {
            let mut block = slot.0;
            for (byte, mask) in block.iter_mut().zip(slot.1.to_le_bytes()) {
                *byte ^= mask;
            }
            slot.1 += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
    Ok(())
}
