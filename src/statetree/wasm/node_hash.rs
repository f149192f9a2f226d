//! Keccak-256 of many Jellyfish Merkle tree nodes per call, for wasm32.
//!
//! Build: `node src/statetree/wasm/build.mjs` (needs rustc with the target wasm32-unknown-unknown).
//! Memory: `INPUT` takes 64 bytes a node (key hash and value hash, or left and right), `OUTPUT`
//! gives 32 bytes a node. Nodes are hashed two at a time in the 64-bit lanes of a v128.
#![no_std]

use core::arch::wasm32::*;

const CAPACITY: usize = 512;

#[repr(C, align(16))]
struct Area<const N: usize>([u8; N]);
static mut INPUT: Area<{ 64 * CAPACITY }> = Area([0; 64 * CAPACITY]);
static mut OUTPUT: Area<{ 32 * CAPACITY }> = Area([0; 32 * CAPACITY]);
static mut SPONGE: [u64; 25] = [0; 25];

const RC: [u64; 24] = [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
];

trait Lane: Copy {
    fn xor(self, o: Self) -> Self;
    fn andn(self, o: Self) -> Self; // !self & o
    fn rotl(self, n: u32) -> Self;
    fn constant(c: u64) -> Self;
}
impl Lane for u64 {
    #[inline(always)]
    fn xor(self, o: Self) -> Self { self ^ o }
    #[inline(always)]
    fn andn(self, o: Self) -> Self { !self & o }
    #[inline(always)]
    fn rotl(self, n: u32) -> Self { self.rotate_left(n) }
    #[inline(always)]
    fn constant(c: u64) -> Self { c }
}
#[derive(Clone, Copy)]
struct Pair(v128);
impl Lane for Pair {
    #[inline(always)]
    fn xor(self, o: Self) -> Self { Pair(v128_xor(self.0, o.0)) }
    #[inline(always)]
    fn andn(self, o: Self) -> Self { Pair(v128_andnot(o.0, self.0)) }
    #[inline(always)]
    fn rotl(self, n: u32) -> Self {
        Pair(v128_or(i64x2_shl(self.0, n), u64x2_shr(self.0, 64 - n)))
    }
    #[inline(always)]
    fn constant(c: u64) -> Self { Pair(u64x2_splat(c)) }
}

#[inline(always)]
fn round<L: Lane>(s: &mut [L; 25], rc: u64) {
    let mut c = [s[0]; 5];
    for x in 0..5 {
        c[x] = s[x].xor(s[x + 5]).xor(s[x + 10]).xor(s[x + 15]).xor(s[x + 20]);
    }
    let d = [
        c[4].xor(c[1].rotl(1)),
        c[0].xor(c[2].rotl(1)),
        c[1].xor(c[3].rotl(1)),
        c[2].xor(c[4].rotl(1)),
        c[3].xor(c[0].rotl(1)),
    ];
    let b00 = s[0].xor(d[0]);
    let b01 = s[6].xor(d[1]).rotl(44);
    let b02 = s[12].xor(d[2]).rotl(43);
    let b03 = s[18].xor(d[3]).rotl(21);
    let b04 = s[24].xor(d[4]).rotl(14);
    let b05 = s[3].xor(d[3]).rotl(28);
    let b06 = s[9].xor(d[4]).rotl(20);
    let b07 = s[10].xor(d[0]).rotl(3);
    let b08 = s[16].xor(d[1]).rotl(45);
    let b09 = s[22].xor(d[2]).rotl(61);
    let b10 = s[1].xor(d[1]).rotl(1);
    let b11 = s[7].xor(d[2]).rotl(6);
    let b12 = s[13].xor(d[3]).rotl(25);
    let b13 = s[19].xor(d[4]).rotl(8);
    let b14 = s[20].xor(d[0]).rotl(18);
    let b15 = s[4].xor(d[4]).rotl(27);
    let b16 = s[5].xor(d[0]).rotl(36);
    let b17 = s[11].xor(d[1]).rotl(10);
    let b18 = s[17].xor(d[2]).rotl(15);
    let b19 = s[23].xor(d[3]).rotl(56);
    let b20 = s[2].xor(d[2]).rotl(62);
    let b21 = s[8].xor(d[3]).rotl(55);
    let b22 = s[14].xor(d[4]).rotl(39);
    let b23 = s[15].xor(d[0]).rotl(41);
    let b24 = s[21].xor(d[1]).rotl(2);
    s[0] = b00.xor(b01.andn(b02)).xor(L::constant(rc));
    s[1] = b01.xor(b02.andn(b03));
    s[2] = b02.xor(b03.andn(b04));
    s[3] = b03.xor(b04.andn(b00));
    s[4] = b04.xor(b00.andn(b01));
    s[5] = b05.xor(b06.andn(b07));
    s[6] = b06.xor(b07.andn(b08));
    s[7] = b07.xor(b08.andn(b09));
    s[8] = b08.xor(b09.andn(b05));
    s[9] = b09.xor(b05.andn(b06));
    s[10] = b10.xor(b11.andn(b12));
    s[11] = b11.xor(b12.andn(b13));
    s[12] = b12.xor(b13.andn(b14));
    s[13] = b13.xor(b14.andn(b10));
    s[14] = b14.xor(b10.andn(b11));
    s[15] = b15.xor(b16.andn(b17));
    s[16] = b16.xor(b17.andn(b18));
    s[17] = b17.xor(b18.andn(b19));
    s[18] = b18.xor(b19.andn(b15));
    s[19] = b19.xor(b15.andn(b16));
    s[20] = b20.xor(b21.andn(b22));
    s[21] = b21.xor(b22.andn(b23));
    s[22] = b22.xor(b23.andn(b24));
    s[23] = b23.xor(b24.andn(b20));
    s[24] = b24.xor(b20.andn(b21));
}

#[inline(always)]
fn permute<L: Lane>(s: &mut [L; 25]) {
    let mut i = 0;
    while i < 24 {
        round(s, RC[i]);
        i += 1;
    }
}

// 77 bytes: "JMT::LeafNode" and 64 bytes, then the padding of the 136-byte block.
// 80 bytes: "JMT::IntrnalNode" and 64 bytes, then the padding.
const LEAF_LOW: u64 = u64::from_le_bytes(*b"JMT::Lea");
const LEAF_HIGH: u64 = u64::from_le_bytes(*b"fNode\0\0\0");
const INTERNAL_LOW: u64 = u64::from_le_bytes(*b"JMT::Int");
const INTERNAL_HIGH: u64 = u64::from_le_bytes(*b"rnalNode");
const LAST: u64 = 0x8000000000000000;

#[inline(always)]
unsafe fn word(p: *const u8, i: usize) -> u64 {
    core::ptr::read_unaligned(p.add(8 * i) as *const u64)
}

#[inline(always)]
unsafe fn fill<const LEAF: bool>(w: [u64; 8]) -> [u64; 17] {
    let mut s = [0u64; 17];
    if LEAF {
        // The separator has 13 bytes: each word of the block straddles two input words.
        s[0] = LEAF_LOW;
        s[1] = LEAF_HIGH | (w[0] << 40);
        let mut i = 0;
        while i < 7 {
            s[2 + i] = (w[i] >> 24) | (w[i + 1] << 40);
            i += 1;
        }
        s[9] = (w[7] >> 24) | (1u64 << 40);
    } else {
        s[0] = INTERNAL_LOW;
        s[1] = INTERNAL_HIGH;
        let mut i = 0;
        while i < 8 {
            s[2 + i] = w[i];
            i += 1;
        }
        s[10] = 1;
    }
    s[16] = LAST;
    s
}

#[inline(always)]
unsafe fn load(p: *const u8) -> [u64; 8] {
    let mut w = [0u64; 8];
    let mut i = 0;
    while i < 8 {
        w[i] = word(p, i);
        i += 1;
    }
    w
}

#[inline(always)]
unsafe fn one<const LEAF: bool>(w: [u64; 8], out: *mut u8) {
    let block = fill::<LEAF>(w);
    let mut s = [0u64; 25];
    let mut i = 0;
    while i < 17 {
        s[i] = block[i];
        i += 1;
    }
    permute(&mut s);
    let mut i = 0;
    while i < 4 {
        core::ptr::write_unaligned(out.add(8 * i) as *mut u64, s[i]);
        i += 1;
    }
}

#[inline(always)]
unsafe fn two<const LEAF: bool>(a: *const u8, out: *mut u8) {
    let x = fill::<LEAF>(load(a));
    let y = fill::<LEAF>(load(a.add(64)));
    let mut s = [Pair(u64x2_splat(0)); 25];
    let mut i = 0;
    while i < 17 {
        s[i] = Pair(u64x2(x[i], y[i]));
        i += 1;
    }
    permute(&mut s);
    let mut i = 0;
    while i < 4 {
        core::ptr::write_unaligned(out.add(8 * i) as *mut u64, u64x2_extract_lane::<0>(s[i].0));
        core::ptr::write_unaligned(out.add(32 + 8 * i) as *mut u64, u64x2_extract_lane::<1>(s[i].0));
        i += 1;
    }
}

#[inline(always)]
unsafe fn many<const LEAF: bool>(count: usize) {
    let mut input = &raw const INPUT as *const u8;
    let mut output = &raw mut OUTPUT as *mut u8;
    let mut i = 0;
    while i + 1 < count {
        two::<LEAF>(input, output);
        input = input.add(128);
        output = output.add(64);
        i += 2;
    }
    if i < count {
        one::<LEAF>(load(input), output);
    }
}

#[no_mangle]
pub extern "C" fn input() -> *const u8 { &raw const INPUT as *const u8 }
#[no_mangle]
pub extern "C" fn output() -> *const u8 { &raw const OUTPUT as *const u8 }
#[no_mangle]
pub unsafe extern "C" fn leaves(count: usize) { many::<true>(count) }
#[no_mangle]
pub unsafe extern "C" fn internals(count: usize) { many::<false>(count) }

/// Folds a path: INPUT holds the start hash, then `depth` siblings from the bottom, then the key.
/// The root goes to OUTPUT.
#[no_mangle]
pub unsafe extern "C" fn fold(depth: usize) {
    let base = &raw const INPUT as *const u8;
    let out = &raw mut OUTPUT as *mut u8;
    let key = base.add(32 * (depth + 1));
    core::ptr::copy_nonoverlapping(base, out, 32);
    let mut i = 0;
    while i < depth {
        let bit = depth - 1 - i;
        let right = (*key.add(bit >> 3) >> (7 - (bit & 7))) & 1 == 1;
        let sibling = base.add(32 * (i + 1));
        let (l, r): (*const u8, *const u8) =
            if right { (sibling, out) } else { (out as *const u8, sibling) };
        let mut w = [0u64; 8];
        let mut j = 0;
        while j < 4 {
            w[j] = word(l, j);
            w[4 + j] = word(r, j);
            j += 1;
        }
        one::<false>(w, out);
        i += 1;
    }
}

/// Starts a hash of bytes of any length.
#[no_mangle]
pub unsafe extern "C" fn start() {
    SPONGE = [0; 25];
}

#[inline(always)]
unsafe fn absorb(p: *const u8) {
    let s = &mut *(&raw mut SPONGE);
    let mut i = 0;
    while i < 17 {
        s[i] ^= word(p, i);
        i += 1;
    }
    let mut local = *s;
    permute(&mut local);
    *s = local;
}

/// Takes `blocks` blocks of 136 bytes from INPUT.
#[no_mangle]
pub unsafe extern "C" fn update(blocks: usize) {
    let mut p = &raw const INPUT as *const u8;
    let mut i = 0;
    while i < blocks {
        absorb(p);
        p = p.add(136);
        i += 1;
    }
}

/// Takes the last `length` (< 136) bytes from INPUT, pads, and writes the hash to OUTPUT.
#[no_mangle]
pub unsafe extern "C" fn finish(length: usize) {
    let p = &raw mut INPUT as *mut u8;
    let mut i = length;
    while i < 136 {
        *p.add(i) = 0;
        i += 1;
    }
    *p.add(length) = 1;
    *p.add(135) |= 0x80;
    absorb(p);
    let out = &raw mut OUTPUT as *mut u8;
    let s = &*(&raw const SPONGE);
    let mut i = 0;
    while i < 4 {
        core::ptr::write_unaligned(out.add(8 * i) as *mut u64, s[i]);
        i += 1;
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { core::arch::wasm32::unreachable() }
