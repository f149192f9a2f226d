//! Sums of many points of BN254's G1, for wasm32: Pippenger's method in affine coordinates.
//!
//! Build: `node src/da/kzg/msm/wasm/build.mjs` (needs rustc with the target wasm32-unknown-unknown).
//! The caller grows the memory and says where things lie (see `msm`); nothing is kept between calls.
//!
//! Field elements are nine limbs of 29 bits, in Montgomery form with R = 2^261. Products of limbs have
//! 58 bits, so a whole row of them adds up in 64 bits without carries. A product of elements below 4p
//! is below 1.2p; what is compared, or kept as a coordinate, is reduced to below p.
#![no_std]

const LIMBS: usize = 9;
const MASK: u32 = (1 << 29) - 1;
const MU: u32 = 0x4866389;
const P: [u32; LIMBS] = [
    0x187cfd47, 0x10460b6, 0x1c72a34f, 0x2d522d0, 0x1585d978, 0x2db40c0, 0xa6e141, 0xe5c2634, 0x30644e,
];
const P2: [u32; LIMBS] = [
    0x10f9fa8e, 0x208c16d, 0x18e5469e, 0x5aa45a1, 0xb0bb2f0, 0x5b68181, 0x14dc282, 0x1cb84c68, 0x60c89c,
];
const P4: [u32; LIMBS] = [
    0x1f3f51c, 0x41182db, 0x11ca8d3c, 0xb548b43, 0x161765e0, 0xb6d0302, 0x29b8504, 0x197098d0, 0xc19139,
];
const R2: [u32; LIMBS] = [
    0x59bac10, 0xd1503a3, 0x18016b8, 0x10ab0ca8, 0x2632639, 0x2c0169f, 0x169bfd53, 0x11869d4c, 0x2a11a6,
];
const ONE: [u32; LIMBS] = [
    0x157ccc21, 0x141c2758, 0x185230d3, 0x14c0419, 0xaa36fb9, 0x1d4240ce, 0x11d54c07, 0x52ac7a8, 0xdc836,
];
const P_LESS_2: [u32; 8] = [
    0xd87cfd45, 0x3c208c16, 0x6871ca8d, 0x97816a91, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72,
];

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Fe([u32; LIMBS]);
const ZERO: Fe = Fe([0; LIMBS]);

/// A point in affine coordinates. Infinity has `NONE` as its last limb of x.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Point {
    x: Fe,
    y: Fe,
}
const NONE: u32 = u32::MAX;

#[inline(never)]
fn mul(a: &Fe, b: &Fe) -> Fe {
    let mut t = [0u64; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        let x = a.0[i] as u64;
        let first = t[0] + x * b.0[0] as u64;
        let q = ((first as u32).wrapping_mul(MU) & MASK) as u64;
        let carry = (first + q * P[0] as u64) >> 29;
        t[0] = t[1] + x * b.0[1] as u64 + q * P[1] as u64 + carry;
        let mut j = 2;
        while j < LIMBS {
            t[j - 1] = t[j] + x * b.0[j] as u64 + q * P[j] as u64;
            j += 1;
        }
        t[LIMBS - 1] = 0;
        i += 1;
    }
    let mut out = ZERO;
    let mut carry = 0u64;
    let mut j = 0;
    while j < LIMBS {
        let value = t[j] + carry;
        out.0[j] = value as u32 & MASK;
        carry = value >> 29;
        j += 1;
    }
    out
}

/// `a - b` and a multiple of p that keeps it positive.
#[inline(always)]
fn sub_plus(a: &Fe, b: &Fe, multiple: &[u32; LIMBS]) -> Fe {
    let mut out = ZERO;
    let mut carry = 0i32;
    let mut j = 0;
    while j < LIMBS {
        let value = a.0[j] as i32 - b.0[j] as i32 + multiple[j] as i32 + carry;
        out.0[j] = value as u32 & MASK;
        carry = value >> 29;
        j += 1;
    }
    out
}

#[inline(always)]
fn sub(a: &Fe, b: &Fe) -> Fe {
    sub_plus(a, b, &P2)
}

#[inline(always)]
fn add(a: &Fe, b: &Fe) -> Fe {
    let mut out = ZERO;
    let mut carry = 0u32;
    let mut j = 0;
    while j < LIMBS {
        let value = a.0[j] + b.0[j] + carry;
        out.0[j] = value & MASK;
        carry = value >> 29;
        j += 1;
    }
    out
}

/// The element below p. The highest limb says how often p goes in, or one less.
#[inline(always)]
fn reduce(a: &Fe) -> Fe {
    let times = (a.0[LIMBS - 1] / (P[LIMBS - 1] + 1)) as i64;
    let mut out = ZERO;
    let mut carry = 0i64;
    let mut j = 0;
    while j < LIMBS {
        let value = a.0[j] as i64 - times * P[j] as i64 + carry;
        out.0[j] = value as u32 & MASK;
        carry = value >> 29;
        j += 1;
    }
    if is_below_p(&out) {
        return out;
    }
    let mut carry = 0i32;
    let mut j = 0;
    while j < LIMBS {
        let value = out.0[j] as i32 - P[j] as i32 + carry;
        out.0[j] = value as u32 & MASK;
        carry = value >> 29;
        j += 1;
    }
    out
}

#[inline(always)]
fn is_below_p(a: &Fe) -> bool {
    let mut j = LIMBS;
    while j > 0 {
        j -= 1;
        if a.0[j] != P[j] {
            return a.0[j] < P[j];
        }
    }
    false
}

#[inline(always)]
fn equal(a: &Fe, b: &Fe) -> bool {
    let mut j = 0;
    while j < LIMBS {
        if a.0[j] != b.0[j] {
            return false;
        }
        j += 1;
    }
    true
}

#[inline(always)]
fn is_zero(a: &Fe) -> bool {
    equal(a, &ZERO)
}

fn invert(a: &Fe) -> Fe {
    let mut out = Fe(ONE);
    let mut bit = 254;
    while bit > 0 {
        bit -= 1;
        out = mul(&out, &out);
        if (P_LESS_2[bit >> 5] >> (bit & 31)) & 1 == 1 {
            out = mul(&out, a);
        }
    }
    out
}

/// A point as x = X/ZZ, y = Y/ZZZ; infinity has ZZ = 0. Coordinates are below 1.2p.
#[derive(Clone, Copy)]
struct Wide {
    x: Fe,
    y: Fe,
    zz: Fe,
    zzz: Fe,
}
const INFINITY: Wide = Wide { x: ZERO, y: ZERO, zz: ZERO, zzz: ZERO };

fn double(a: &Wide) -> Wide {
    if is_zero(&a.zz) {
        return INFINITY;
    }
    let u = add(&a.y, &a.y);
    let v = mul(&u, &u);
    let w = mul(&u, &v);
    let s = mul(&a.x, &v);
    let square = mul(&a.x, &a.x);
    let m = add(&add(&square, &square), &square);
    finish(&m, &s, &add(&s, &s), &mul(&w, &a.y), (&mul(&v, &a.zz), &mul(&w, &a.zzz)))
}

// x = r² - drop, y = r·(q - x) - lost.
#[inline(always)]
fn finish(r: &Fe, q: &Fe, drop: &Fe, lost: &Fe, z: (&Fe, &Fe)) -> Wide {
    let x = reduce(&sub_plus(&mul(r, r), drop, &P4));
    let y = reduce(&sub(&mul(r, &sub(q, &x)), lost));
    Wide { x, y, zz: reduce(z.0), zzz: reduce(z.1) }
}

fn join(a: &Wide, b: &Wide) -> Wide {
    if is_zero(&a.zz) {
        return *b;
    }
    if is_zero(&b.zz) {
        return *a;
    }
    let u1 = mul(&a.x, &b.zz);
    let s1 = mul(&a.y, &b.zzz);
    let p = reduce(&sub(&mul(&b.x, &a.zz), &u1));
    let r = reduce(&sub(&mul(&b.y, &a.zzz), &s1));
    if is_zero(&p) {
        return if is_zero(&r) { double(a) } else { INFINITY };
    }
    let pp = mul(&p, &p);
    let ppp = mul(&p, &pp);
    let q = mul(&u1, &pp);
    let drop = add(&ppp, &add(&q, &q));
    let zz = mul(&mul(&a.zz, &b.zz), &pp);
    let zzz = mul(&mul(&a.zzz, &b.zzz), &ppp);
    finish(&r, &q, &drop, &mul(&s1, &ppp), (&zz, &zzz))
}

#[inline(always)]
unsafe fn widen(a: *const Point) -> Wide {
    if (*a).x.0[LIMBS - 1] == NONE {
        return INFINITY;
    }
    Wide { x: (*a).x, y: (*a).y, zz: Fe(ONE), zzz: Fe(ONE) }
}

unsafe fn read(from: *const u32) -> Fe {
    let mut out = ZERO;
    let mut j = 0;
    while j < LIMBS {
        let bit = 29 * j;
        let word = bit >> 5;
        let low = *from.add(word) as u64;
        let high = if word + 1 < 8 { *from.add(word + 1) as u64 } else { 0 };
        out.0[j] = ((low | high << 32) >> (bit & 31)) as u32 & MASK;
        j += 1;
    }
    out
}

unsafe fn write(a: &Fe, to: *mut u32) {
    let mut word = 0;
    let mut held = 0u64;
    let mut bits = 0;
    let mut j = 0;
    while j < LIMBS {
        held |= (a.0[j] as u64) << bits;
        bits += 29;
        if bits >= 32 && word < 8 {
            *to.add(word) = held as u32;
            word += 1;
            held >>= 32;
            bits -= 32;
        }
        j += 1;
    }
    if word < 8 {
        *to.add(word) = held as u32;
    }
}

/// Turns `count` points of 64 bytes (x, y; little-endian) at `from` into points at `to`. Both
/// coordinates zero is infinity.
#[no_mangle]
pub unsafe extern "C" fn load(from: *const u32, to: *mut Point, count: usize) {
    let mut i = 0;
    while i < count {
        let (x, y) = (read(from.add(16 * i)), read(from.add(16 * i + 8)));
        let out = to.add(i);
        (*out).x = reduce(&mul(&x, &Fe(R2)));
        (*out).y = reduce(&mul(&y, &Fe(R2)));
        if is_zero(&x) && is_zero(&y) {
            (*out).x.0[LIMBS - 1] = NONE;
        }
        i += 1;
    }
}

/// Digit of a window, from -2^(bits-1) on: a constant was added to every scalar, so none carries.
#[inline(always)]
unsafe fn digit(scalar: *const u32, window: usize, bits: usize) -> i32 {
    let bit = window * bits;
    let word = bit >> 5;
    let low = *scalar.add(word) as u64;
    let high = if word + 1 < 9 { *scalar.add(word + 1) as u64 } else { 0 };
    let cut = ((low | high << 32) >> (bit & 31)) as u32 & ((1 << bits) - 1);
    cut as i32 - (1 << (bits - 1))
}

/// What one call works on: addresses in the memory.
#[repr(C)]
pub struct Work {
    points: *const Point,
    /// Nine words a scalar.
    scalars: *const u32,
    count: usize,
    bits: usize,
    windows: usize,
    /// Windows that are summed together, so that they share inversions.
    together: usize,
    /// `together · count` points.
    entries: *mut Point,
    /// As many elements, halved, twice.
    rises: *mut Fe,
    products: *mut Fe,
    /// `together · 2^(bits-1)` words, twice.
    starts: *mut u32,
    lengths: *mut u32,
    /// 16 words: x and y of the sum.
    result: *mut u32,
}

/// The sum of `scalars[i]·points[i]`.
#[no_mangle]
pub unsafe extern "C" fn msm(work: *const Work) {
    let w = &*work;
    let mut sum = INFINITY;
    let mut end = w.windows;
    while end > 0 {
        let first = end.saturating_sub(w.together);
        fill(w, first, end - first);
        while shrink(w, (end - first) << (w.bits - 1)) {}
        let mut window = end;
        while window > first {
            window -= 1;
            let mut bit = 0;
            while bit < w.bits {
                sum = double(&sum);
                bit += 1;
            }
            sum = join(&sum, &weigh(w, window - first));
        }
        end = first;
    }
    let mut j = 0;
    while j < 16 {
        *w.result.add(j) = 0;
        j += 1;
    }
    if is_zero(&sum.zz) {
        return;
    }
    let inverse = invert(&mul(&sum.zz, &sum.zzz));
    let mut one = ZERO;
    one.0[0] = 1;
    let x = mul(&mul(&sum.x, &mul(&inverse, &sum.zzz)), &one);
    let y = mul(&mul(&sum.y, &mul(&inverse, &sum.zz)), &one);
    write(&reduce(&x), w.result);
    write(&reduce(&y), w.result.add(8));
}

// Lays the points of some windows out by bucket, negated where the digit is negative.
unsafe fn fill(w: &Work, first: usize, windows: usize) {
    let half = 1usize << (w.bits - 1);
    let buckets = windows * half;
    let mut b = 0;
    while b < buckets {
        *w.lengths.add(b) = 0;
        b += 1;
    }
    let mut i = 0;
    while i < w.count {
        if (*w.points.add(i)).x.0[LIMBS - 1] != NONE {
            let mut k = 0;
            while k < windows {
                let d = digit(w.scalars.add(9 * i), first + k, w.bits);
                if d != 0 {
                    *w.lengths.add(k * half + d.unsigned_abs() as usize - 1) += 1;
                }
                k += 1;
            }
        }
        i += 1;
    }
    let mut at = 0;
    let mut b = 0;
    while b < buckets {
        *w.starts.add(b) = at;
        at += *w.lengths.add(b);
        *w.lengths.add(b) = 0;
        b += 1;
    }
    let mut i = 0;
    while i < w.count {
        let point = w.points.add(i);
        if (*point).x.0[LIMBS - 1] != NONE {
            let mut k = 0;
            while k < windows {
                let d = digit(w.scalars.add(9 * i), first + k, w.bits);
                if d != 0 {
                    let bucket = k * half + d.unsigned_abs() as usize - 1;
                    let length = w.lengths.add(bucket);
                    let to = w.entries.add((*w.starts.add(bucket) + *length) as usize);
                    *length += 1;
                    (*to).x = (*point).x;
                    (*to).y =
                        if d > 0 { (*point).y } else { reduce(&sub(&ZERO, &(*point).y)) };
                }
                k += 1;
            }
        }
        i += 1;
    }
}

// Adds the points of each bucket in pairs, with one inversion for all of them.
unsafe fn shrink(w: &Work, buckets: usize) -> bool {
    let mut count = 0;
    let mut product = Fe(ONE);
    let mut b = 0;
    while b < buckets {
        let start = *w.starts.add(b) as usize;
        let pairs = (*w.lengths.add(b) >> 1) as usize;
        let mut i = 0;
        while i < pairs {
            let left = w.entries.add(start + 2 * i);
            let right = left.add(1);
            let mut rise = sub(&(*right).x, &(*left).x);
            let lone = (*left).x.0[LIMBS - 1] == NONE || (*right).x.0[LIMBS - 1] == NONE;
            if lone {
                rise.0[LIMBS - 1] = NONE;
            } else if equal(&(*left).x, &(*right).x) {
                if equal(&(*left).y, &(*right).y) {
                    rise = add(&(*left).y, &(*left).y);
                } else {
                    rise.0[LIMBS - 1] = NONE;
                }
            }
            *w.rises.add(count) = rise;
            *w.products.add(count) = product;
            if rise.0[LIMBS - 1] != NONE {
                product = mul(&product, &rise);
            }
            count += 1;
            i += 1;
        }
        b += 1;
    }
    if count == 0 {
        return false;
    }
    let mut inverse = invert(&product);
    // Each sum goes to the left one's place: behind, where nothing is read any more.
    let mut b = buckets;
    while b > 0 {
        b -= 1;
        let start = *w.starts.add(b) as usize;
        let mut i = (*w.lengths.add(b) >> 1) as usize;
        while i > 0 {
            i -= 1;
            count -= 1;
            let left = w.entries.add(start + 2 * i);
            let right = left.add(1);
            let rise = &*w.rises.add(count);
            if rise.0[LIMBS - 1] == NONE {
                if (*left).x.0[LIMBS - 1] == NONE {
                    *left = *right;
                } else if (*right).x.0[LIMBS - 1] != NONE {
                    (*left).x.0[LIMBS - 1] = NONE;
                }
                continue;
            }
            let own = mul(&*w.products.add(count), &inverse);
            inverse = mul(&inverse, rise);
            let run = if equal(&(*left).x, &(*right).x) {
                let square = mul(&(*left).x, &(*left).x);
                add(&add(&square, &square), &square)
            } else {
                sub(&(*right).y, &(*left).y)
            };
            let slope = mul(&run, &own);
            let both = add(&(*left).x, &(*right).x);
            let x = reduce(&sub(&mul(&slope, &slope), &both));
            let y = reduce(&sub(&mul(&slope, &sub(&(*left).x, &x)), &(*left).y));
            *left = Point { x, y };
        }
    }
    let mut b = 0;
    while b < buckets {
        let start = *w.starts.add(b) as usize;
        let length = *w.lengths.add(b) as usize;
        let left = (length + 1) >> 1;
        let mut i = 1;
        while i < left {
            *w.entries.add(start + i) = *w.entries.add(start + 2 * i);
            i += 1;
        }
        *w.lengths.add(b) = left as u32;
        b += 1;
    }
    true
}

// The sum of digit times bucket of one window, by running sums.
unsafe fn weigh(w: &Work, window: usize) -> Wide {
    let half = 1usize << (w.bits - 1);
    let mut running = INFINITY;
    let mut total = INFINITY;
    let mut d = half;
    while d > 0 {
        d -= 1;
        let bucket = window * half + d;
        if *w.lengths.add(bucket) != 0 {
            running = join(&running, &widen(w.entries.add(*w.starts.add(bucket) as usize)));
        }
        total = join(&total, &running);
    }
    total
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
