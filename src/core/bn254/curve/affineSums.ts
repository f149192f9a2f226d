/**
 * Sums of many points at once, in affine coordinates with one inversion for each round of additions
 * (Montgomery's trick): a third of the multiplications that projective coordinates take.
 *
 * Works over either field; `undefined` is the point at infinity. Both curves have `a = 0` and an odd
 * number of points, so that no point has `y = 0`.
 */

/** A point that is not at infinity. */
export type Affine<element> = { readonly x: element; readonly y: element }
/** A point, `undefined` for infinity. */
export type MaybeAffine<element> = Affine<element> | undefined

/** What is needed of a field: `Fp` and `Fp2` of the curve library are such fields. */
export type Field<element> = {
  readonly ZERO: element
  readonly ONE: element
  add(a: element, b: element): element
  sub(a: element, b: element): element
  mul(a: element, b: element): element
  sqr(a: element): element
  inv(a: element): element
  eql(a: element, b: element): boolean
  is0(a: element): boolean
}

/** Adds many pairs of points with one inversion. */
export function addPairs<element>(
  field: Field<element>,
  pairs: readonly (readonly [MaybeAffine<element>, MaybeAffine<element>])[],
): MaybeAffine<element>[] {
  const sums = new Array<MaybeAffine<element>>(pairs.length).fill(undefined)
  const open: { at: number; a: Affine<element>; b: Affine<element>; rise: element }[] = []
  const runs: element[] = []
  pairs.forEach(([a, b], at) => {
    if (a === undefined || b === undefined) {
      sums[at] = a ?? b
      return
    }
    if (!field.eql(a.x, b.x)) {
      open.push({ at, a, b, rise: field.sub(b.y, a.y) })
      runs.push(field.sub(b.x, a.x))
    } else if (field.eql(a.y, b.y) && !field.is0(a.y)) {
      const square = field.sqr(a.x)
      open.push({ at, a, b, rise: field.add(field.add(square, square), square) })
      runs.push(field.add(a.y, a.y))
    }
  })
  const inverses = invertAll(field, runs)
  open.forEach(({ at, a, b, rise }, index) => {
    const slope = field.mul(rise, inverses[index] as element)
    const x = field.sub(field.sub(field.sqr(slope), a.x), b.x)
    sums[at] = { x, y: field.sub(field.mul(slope, field.sub(a.x, x)), a.y) }
  })
  return sums
}

/** The sum of each list. */
export function sumLists<element>(
  field: Field<element>,
  lists: readonly (readonly MaybeAffine<element>[])[],
): MaybeAffine<element>[] {
  let rest = lists
  while (rest.some((list) => list.length > 1)) {
    const pairs: [MaybeAffine<element>, MaybeAffine<element>][] = []
    for (const list of rest) {
      for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i], list[i + 1]])
    }
    const sums = addPairs(field, pairs)
    let at = 0
    rest = rest.map((list) => {
      const half = list.length >> 1
      const next = sums.slice(at, at + half)
      at += half
      if (list.length % 2 === 1) next.push(list[list.length - 1])
      return next
    })
  }
  return rest.map(([sum]) => sum)
}

/**
 * For each window `w` of digits, `Σ digits[w][i] · points[i]`: Pippenger's buckets.
 *
 * @param parameters.digits - Digits of each window, below `2^bits`, in the order of the points.
 */
export function windowSums<element>(
  field: Field<element>,
  parameters: {
    points: readonly MaybeAffine<element>[]
    digits: readonly ArrayLike<number>[]
    bits: number
  },
): MaybeAffine<element>[] {
  const { points, digits, bits } = parameters
  const width = 2 ** bits - 1
  const buckets = digits.flatMap((window) => {
    const own = Array.from({ length: width }, (): MaybeAffine<element>[] => [])
    points.forEach((point, index) => {
      const digit = window[index] ?? 0
      if (digit > 0) (own[digit - 1] as MaybeAffine<element>[]).push(point)
    })
    return own
  })
  const sums = sumLists(field, buckets)
  // Σ d·B_d, from the top: what was added up to d is added once more at each step below.
  let running = digits.map((): MaybeAffine<element> => undefined)
  let totals = running
  for (let digit = width; digit > 0; digit--) {
    running = addPairs(
      field,
      running.map((sum, window) => [sum, sums[window * width + digit - 1]] as const),
    )
    totals = addPairs(
      field,
      totals.map((sum, window) => [sum, running[window]] as const),
    )
  }
  return totals
}

function invertAll<element>(field: Field<element>, values: readonly element[]): element[] {
  if (values.length === 0) return []
  const before: element[] = []
  let product = field.ONE
  for (const value of values) {
    before.push(product)
    product = field.mul(product, value)
  }
  let inverse = field.inv(product)
  const inverses = new Array<element>(values.length)
  for (let i = values.length - 1; i >= 0; i--) {
    inverses[i] = field.mul(inverse, before[i] as element)
    inverse = field.mul(inverse, values[i] as element)
  }
  return inverses
}
