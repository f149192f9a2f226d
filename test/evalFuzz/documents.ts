/** Random input and data documents, shaped like what the random policies read. */
import type { Random } from './random.js'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Numbers at the edges of the engine's forms: integers of 64 bits, doubles, and texts of either. */
const numbers: readonly number[] = [0, 1, -1, 2, 3, 7, 50, 100, 2.5, -0.5, 1e9, 2 ** 53, 1e21]
const strings: readonly string[] = [
  ...['', 'a', 'b', 'eth', 'usdc', 'transfer', 'high', 'LOW', 'a/b/c', '1.2.3', '10.0.0.7'],
  ...['0xAbC', '0xdef', '5', '18446744073709551616', 'é日本', 'x y', '2024-02-29T12:00:00Z'],
]

function scalar(random: Random): Json {
  if (random.chance(45)) return random.pick(strings)
  if (random.chance(75)) return random.pick(numbers)
  return random.pick([true, false, null])
}

function item(random: Random): Json {
  const one: { [name: string]: Json } = {
    name: random.pick(strings),
    score: random.pick(numbers),
    tags: Array.from({ length: random.below(3) }, () => random.pick(strings)),
  }
  if (random.chance(15)) delete one['score']
  if (random.chance(10)) one['score'] = scalar(random)
  return one
}

function anything(random: Random, depth = 2): Json {
  if (depth === 0 || random.chance(55)) return scalar(random)
  const length = random.below(4)
  if (random.chance(50)) return Array.from({ length }, () => anything(random, depth - 1))
  return Object.fromEntries(
    Array.from({ length }, () => [random.pick(strings), anything(random, depth - 1)]),
  )
}

/** The two documents of an evaluation, as text. */
export function documentsFrom(random: Random): { inputJson: string; dataJson: string } {
  const input: { [name: string]: Json } = {
    from: random.pick(strings),
    to: random.pick(strings),
    value: random.chance(70) ? random.pick(numbers) : random.pick(strings),
    chain_id: random.pick([1, 137, 8453]),
    function: { name: random.pick(['transfer', 'approve', '']) },
    args: Array.from({ length: random.below(4) }, () => scalar(random)),
    items: Array.from({ length: random.below(5) }, () => item(random)),
    meta: anything(random),
  }
  const params: { [name: string]: Json } = {
    max: random.pick(numbers),
    name: random.pick(strings),
    names: Array.from({ length: random.below(4) }, () => random.pick(strings)),
    limits: { eth: random.pick(numbers), usdc: random.pick(numbers), 'a b': 1 },
    table: Array.from({ length: random.below(3) }, () => item(random)),
    flag: random.chance(50),
    any: anything(random),
  }
  const wasm: { [name: string]: Json } = {
    score: random.pick(numbers),
    items: Array.from({ length: random.below(4) }, () => item(random)),
    by: Object.fromEntries(
      Array.from({ length: random.below(16) }, (_, index) => [`k${index}`, scalar(random)]),
    ),
    any: anything(random, 3),
  }
  for (const document of [input, params, wasm]) {
    for (const name of Object.keys(document)) {
      if (random.chance(6)) delete document[name]
      else if (random.chance(4)) document[name] = anything(random)
    }
  }
  return { inputJson: JSON.stringify(input), dataJson: JSON.stringify({ params, wasm }) }
}
