//! Keccak-f[1600] over whole blocks of keccak-256, for long messages.
//!
//! The caller writes message bytes to `buffer`, calls `absorb` with a number of 136-byte blocks,
//! pads the last block itself, and reads the first 32 bytes of `state`.
#![no_std]

use core::ptr::{addr_of, addr_of_mut};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

const RATE_LANES: usize = 17;
const BUFFER_BYTES: usize = 480 * 136;

static mut STATE: [u64; 25] = [0; 25];
static mut BUFFER: [u8; BUFFER_BYTES] = [0; BUFFER_BYTES];

const ROUNDS: [u64; 24] = [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
];

#[no_mangle]
pub extern "C" fn buffer() -> *mut u8 {
    addr_of_mut!(BUFFER) as *mut u8
}

#[no_mangle]
pub extern "C" fn state() -> *mut u64 {
    addr_of_mut!(STATE) as *mut u64
}

#[no_mangle]
pub extern "C" fn reset() {
    unsafe { STATE = [0; 25] }
}

#[no_mangle]
pub extern "C" fn absorb(blocks: usize) {
    let mut a = unsafe { STATE };
    let input = addr_of!(BUFFER) as *const u8;
    for block in 0..blocks {
        let start = block * RATE_LANES * 8;
        let mut lane = 0;
        while lane < RATE_LANES {
            let at = unsafe { input.add(start + lane * 8) as *const u64 };
            a[lane] ^= u64::from_le(unsafe { at.read_unaligned() });
            lane += 1;
        }
        permute(&mut a);
    }
    unsafe { STATE = a }
}

macro_rules! chi {
    ($a:ident, $y:expr, $b0:ident, $b1:ident, $b2:ident, $b3:ident, $b4:ident) => {
        $a[$y] = $b0 ^ (!$b1 & $b2);
        $a[$y + 1] = $b1 ^ (!$b2 & $b3);
        $a[$y + 2] = $b2 ^ (!$b3 & $b4);
        $a[$y + 3] = $b3 ^ (!$b4 & $b0);
        $a[$y + 4] = $b4 ^ (!$b0 & $b1);
    };
}

#[inline(always)]
fn permute(a: &mut [u64; 25]) {
    for constant in ROUNDS {
        let c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
        let c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
        let c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
        let c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
        let c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
        let d0 = c4 ^ c1.rotate_left(1);
        let d1 = c0 ^ c2.rotate_left(1);
        let d2 = c1 ^ c3.rotate_left(1);
        let d3 = c2 ^ c4.rotate_left(1);
        let d4 = c3 ^ c0.rotate_left(1);

        let b00 = a[0] ^ d0;
        let b01 = (a[6] ^ d1).rotate_left(44);
        let b02 = (a[12] ^ d2).rotate_left(43);
        let b03 = (a[18] ^ d3).rotate_left(21);
        let b04 = (a[24] ^ d4).rotate_left(14);
        let b05 = (a[3] ^ d3).rotate_left(28);
        let b06 = (a[9] ^ d4).rotate_left(20);
        let b07 = (a[10] ^ d0).rotate_left(3);
        let b08 = (a[16] ^ d1).rotate_left(45);
        let b09 = (a[22] ^ d2).rotate_left(61);
        let b10 = (a[1] ^ d1).rotate_left(1);
        let b11 = (a[7] ^ d2).rotate_left(6);
        let b12 = (a[13] ^ d3).rotate_left(25);
        let b13 = (a[19] ^ d4).rotate_left(8);
        let b14 = (a[20] ^ d0).rotate_left(18);
        let b15 = (a[4] ^ d4).rotate_left(27);
        let b16 = (a[5] ^ d0).rotate_left(36);
        let b17 = (a[11] ^ d1).rotate_left(10);
        let b18 = (a[17] ^ d2).rotate_left(15);
        let b19 = (a[23] ^ d3).rotate_left(56);
        let b20 = (a[2] ^ d2).rotate_left(62);
        let b21 = (a[8] ^ d3).rotate_left(55);
        let b22 = (a[14] ^ d4).rotate_left(39);
        let b23 = (a[15] ^ d0).rotate_left(41);
        let b24 = (a[21] ^ d1).rotate_left(2);

        chi!(a, 0, b00, b01, b02, b03, b04);
        chi!(a, 5, b05, b06, b07, b08, b09);
        chi!(a, 10, b10, b11, b12, b13, b14);
        chi!(a, 15, b15, b16, b17, b18, b19);
        chi!(a, 20, b20, b21, b22, b23, b24);
        a[0] ^= constant;
    }
}
