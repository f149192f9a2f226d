//! Keccak-256 of many Jellyfish Merkle tree nodes per call, for wasm32.
//!
//! Build: `node src/statetree/wasm/build.mjs` (needs rustc with the target wasm32-unknown-unknown).
//! Memory: `INPUT` takes 64 bytes a node (key hash and value hash, or left and right), `OUTPUT`
//! gives 32 bytes a node. Nodes are hashed three at a time: two in the 64-bit lanes of a v128, and one in
//! between, by units of the processor that would have nothing to do.
#![no_std]

use core::arch::wasm32::*;

const CAPACITY: usize = 512;

#[repr(C, align(16))]
struct Area<const N: usize>([u8; N]);
// One node longer than what callers use: a lone pair is hashed with whatever lies behind it.
static mut INPUT: Area<{ 64 * (CAPACITY + 1) }> = Area([0; 64 * (CAPACITY + 1)]);
static mut OUTPUT: Area<{ 32 * (CAPACITY + 1) }> = Area([0; 32 * (CAPACITY + 1)]);

/// A state, and the one that a round makes of it. Fifty lanes fit in no machine's registers: where each lies is
/// said here, because engines choose worse.
#[repr(C, align(16))]
struct States<L>([L; 25], [L; 25]);
static mut ONE: States<u64> = States([0; 25], [0; 25]);
static mut PAIR: States<Pair> = States([Pair(u64x2(0, 0)); 25], [Pair(u64x2(0, 0)); 25]);

const RC: [u64; 24] = [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
];

/// For each row of a new state, the lanes it is made of, and how far they are turned.
const FROM: [[usize; 5]; 5] =
    [[0, 6, 12, 18, 24], [3, 9, 10, 16, 22], [1, 7, 13, 19, 20], [4, 5, 11, 17, 23], [2, 8, 14, 15, 21]];
const TURN: [[u32; 5]; 5] =
    [[0, 44, 43, 21, 14], [28, 20, 3, 45, 61], [1, 6, 25, 8, 18], [27, 36, 10, 15, 56], [62, 55, 39, 41, 2]];

trait Lane: Copy {
    fn xor(self, o: Self) -> Self;
    fn rotl(self, n: u32) -> Self;
    fn constant(c: u64) -> Self;
    /// Lane `k` of a row of a new state.
    fn chi(row: usize, k: usize, b: &[Self; 5]) -> Self;
}
/// A single lane. There is no `!a & b` in WebAssembly, so that six lanes of a state are kept inverted
/// (`INVERTED`): each row then needs one inversion at most.
impl Lane for u64 {
    #[inline(always)]
    fn xor(self, o: Self) -> Self { self ^ o }
    #[inline(always)]
    fn rotl(self, n: u32) -> Self { self.rotate_left(n) }
    #[inline(always)]
    fn constant(c: u64) -> Self { c }
    #[inline(always)]
    fn chi(row: usize, k: usize, &[a, b, c, d, e]: &[u64; 5]) -> u64 {
        match (row, k) {
            (0, 0) | (1, 0) | (2, 0) => a ^ (b | c),
            (3, 0) => a ^ (b & c),
            (4, 0) => a ^ (!b & c),
            (0, 1) => b ^ (!c | d),
            (1, 1) | (2, 1) => b ^ (c & d),
            (3, 1) => b ^ (c | d),
            (4, 1) => !b ^ (c | d),
            (1, 2) => c ^ (d | !e),
            (2, 2) => c ^ (!d & e),
            (3, 2) => c ^ (!d | e),
            (_, 2) => c ^ (d & e),
            (2, 3) => !d ^ (e | a),
            (3, 3) => !d ^ (e & a),
            (_, 3) => d ^ (e | a),
            (3, 4) => e ^ (a | b),
            _ => e ^ (a & b),
        }
    }
}
const INVERTED: [usize; 6] = [1, 2, 8, 12, 17, 20];

#[derive(Clone, Copy)]
struct Pair(v128);
impl Lane for Pair {
    #[inline(always)]
    fn xor(self, o: Self) -> Self { Pair(v128_xor(self.0, o.0)) }
    #[inline(always)]
    fn rotl(self, n: u32) -> Self {
        if n == 0 { return self; }
        Pair(v128_or(i64x2_shl(self.0, n), u64x2_shr(self.0, 64 - n)))
    }
    #[inline(always)]
    fn constant(c: u64) -> Self { Pair(u64x2_splat(c)) }
    #[inline(always)]
    fn chi(_row: usize, k: usize, b: &[Pair; 5]) -> Pair {
        Pair(v128_xor(b[k].0, v128_andnot(b[(k + 2) % 5].0, b[(k + 1) % 5].0)))
    }
}

/// Parities of the columns of a state.
#[inline(always)]
unsafe fn columns<L: Lane>(a: *const L) -> [L; 5] {
    let mut c = [L::constant(0); 5];
    for x in 0..5 {
        c[x] = *a.add(x);
        for y in 1..5 { c[x] = c[x].xor(*a.add(x + 5 * y)); }
    }
    c
}

/// What a round adds to each column.
#[inline(always)]
fn theta<L: Lane>(c: [L; 5]) -> [L; 5] {
    let mut d = c;
    for x in 0..5 { d[x] = c[(x + 4) % 5].xor(c[(x + 1) % 5].rotl(1)); }
    d
}

/// One row of the state after a round, and its part in the parities.
#[inline(always)]
unsafe fn row<L: Lane, const Y: usize>(a: *const L, e: *mut L, d: &[L; 5], c: &mut [L; 5], rc: u64) {
    let mut b = *d;
    for k in 0..5 {
        let from = FROM[Y][k];
        b[k] = a.add(from).read_volatile().xor(d[from % 5]).rotl(TURN[Y][k]);
    }
    for k in 0..5 {
        let mut out = L::chi(Y, k, &b);
        if Y == 0 && k == 0 { out = out.xor(L::constant(rc)); }
        e.add(5 * Y + k).write_volatile(out);
        c[k] = if Y == 0 { out } else { c[k].xor(out) };
    }
}

macro_rules! round {
    ($a:ident, $e:ident, $c:ident, $rc:expr) => {
        let d = theta($c);
        row::<_, 0>($a, $e, &d, &mut $c, $rc);
        row::<_, 1>($a, $e, &d, &mut $c, $rc);
        row::<_, 2>($a, $e, &d, &mut $c, $rc);
        row::<_, 3>($a, $e, &d, &mut $c, $rc);
        row::<_, 4>($a, $e, &d, &mut $c, $rc);
    };
}

/// A round of one and a round of a pair, a row of each in turn.
macro_rules! round_of_three {
    ($a:ident, $e:ident, $c:ident, $f:ident, $g:ident, $p:ident, $rc:expr) => {
        let d = theta($c);
        let q = theta($p);
        row::<_, 0>($f, $g, &q, &mut $p, $rc);
        row::<_, 0>($a, $e, &d, &mut $c, $rc);
        row::<_, 1>($f, $g, &q, &mut $p, $rc);
        row::<_, 1>($a, $e, &d, &mut $c, $rc);
        row::<_, 2>($f, $g, &q, &mut $p, $rc);
        row::<_, 2>($a, $e, &d, &mut $c, $rc);
        row::<_, 3>($f, $g, &q, &mut $p, $rc);
        row::<_, 3>($a, $e, &d, &mut $c, $rc);
        row::<_, 4>($f, $g, &q, &mut $p, $rc);
        row::<_, 4>($a, $e, &d, &mut $c, $rc);
    };
}

/// Permutes `ONE`. A path spends its time here, and is a sixth faster with it in its own loop.
#[inline(always)]
unsafe fn permute_inline() {
    let a = &raw mut ONE.0 as *mut u64;
    let e = &raw mut ONE.1 as *mut u64;
    let mut c = columns(a);
    let mut i = 0;
    while i < 24 {
        round!(a, e, c, RC[i]);
        round!(e, a, c, RC[i + 1]);
        i += 2;
    }
}

#[inline(never)]
unsafe fn permute() { permute_inline(); }

/// Permutes `PAIR` and `ONE`.
#[inline(never)]
unsafe fn permute_three() {
    let a = &raw mut ONE.0 as *mut u64;
    let e = &raw mut ONE.1 as *mut u64;
    let f = &raw mut PAIR.0 as *mut Pair;
    let g = &raw mut PAIR.1 as *mut Pair;
    let mut c = columns(a);
    let mut p = columns(f);
    let mut i = 0;
    while i < 24 {
        round_of_three!(a, e, c, f, g, p, RC[i]);
        round_of_three!(e, a, c, g, f, p, RC[i + 1]);
        i += 2;
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

/// A state without anything in it.
#[inline(always)]
unsafe fn clear() {
    ONE.0 = [0; 25];
    for i in INVERTED { ONE.0[i] = !0; }
}

#[inline(always)]
unsafe fn put(block: [u64; 17]) {
    let lanes = &raw mut ONE.0 as *mut u64;
    for i in 0..25 {
        let lane = if i < 17 { block[i] } else { 0 };
        *lanes.add(i) = if INVERTED.contains(&i) { !lane } else { lane };
    }
}

/// Writes the hash that `ONE` holds.
#[inline(always)]
unsafe fn take(out: *mut u8) {
    let words = [ONE.0[0], !ONE.0[1], !ONE.0[2], ONE.0[3]];
    for i in 0..4 { core::ptr::write_unaligned(out.add(8 * i) as *mut u64, words[i]); }
}

#[inline(always)]
unsafe fn one<const LEAF: bool>(w: [u64; 8], out: *mut u8) {
    put(fill::<LEAF>(w));
    permute();
    take(out);
}

#[inline(always)]
unsafe fn three<const LEAF: bool>(input: *const u8, out: *mut u8) {
    let x = fill::<LEAF>(load(input));
    let y = fill::<LEAF>(load(input.add(64)));
    PAIR.0 = [Pair::constant(0); 25];
    for i in 0..17 { PAIR.0[i] = Pair(u64x2(x[i], y[i])); }
    put(fill::<LEAF>(load(input.add(128))));
    permute_three();
    for i in 0..4 {
        let Pair(both) = PAIR.0[i];
        core::ptr::write_unaligned(out.add(8 * i) as *mut u64, u64x2_extract_lane::<0>(both));
        core::ptr::write_unaligned(out.add(32 + 8 * i) as *mut u64, u64x2_extract_lane::<1>(both));
    }
    take(out.add(64));
}

#[inline(always)]
unsafe fn many<const LEAF: bool>(count: usize) {
    let mut input = &raw const INPUT as *const u8;
    let mut output = &raw mut OUTPUT as *mut u8;
    let mut i = 0;
    while i + 1 < count {
        three::<LEAF>(input, output);
        input = input.add(192);
        output = output.add(96);
        i += 3;
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
        put(fill::<false>(w));
        permute_inline();
        take(out);
        i += 1;
    }
}

/// Starts a hash of bytes of any length.
#[no_mangle]
pub unsafe extern "C" fn start() { clear(); }

#[inline(always)]
unsafe fn absorb(p: *const u8) {
    for i in 0..17 { ONE.0[i] ^= word(p, i); }
    permute();
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
    take(&raw mut OUTPUT as *mut u8);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { core::arch::wasm32::unreachable() }
