//! Comparing bytes by words. The compiler's own functions for this target take them one by one, and
//! names and texts are compared more often than anything else.

use std::cmp::Ordering;

#[inline(always)]
unsafe fn word(bytes: *const u8, at: usize) -> u64 {
    u64::from_be((bytes.add(at) as *const u64).read_unaligned())
}

#[inline(always)]
unsafe fn half(bytes: *const u8, at: usize) -> u32 {
    u32::from_be((bytes.add(at) as *const u32).read_unaligned())
}

/// The order of the first bytes that differ. The last word overlaps the one before it.
#[inline(always)]
unsafe fn order(left: *const u8, right: *const u8, length: usize) -> Ordering {
    if length >= 8 {
        let mut at = 0;
        while at + 8 < length {
            let (a, b) = (word(left, at), word(right, at));
            if a != b {
                return a.cmp(&b);
            }
            at += 8;
        }
        return word(left, length - 8).cmp(&word(right, length - 8));
    }
    if length >= 4 {
        let (a, b) = (half(left, 0), half(right, 0));
        return a.cmp(&b).then(half(left, length - 4).cmp(&half(right, length - 4)));
    }
    if length == 0 {
        return Ordering::Equal;
    }
    let short = |bytes: *const u8| {
        [*bytes, *bytes.add(length / 2), *bytes.add(length - 1)]
    };
    short(left).cmp(&short(right))
}

/// # Safety
/// As in C.
#[no_mangle]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    order(left, right, length) as i32
}

/// # Safety
/// As in C.
#[no_mangle]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    i32::from(order(left, right, length) != Ordering::Equal)
}
