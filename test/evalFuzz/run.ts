/**
 * `npm run fuzz:eval -- --seed 1 --count 2000`: random policies and documents, decided by the package
 * and by the published crate built natively (engine/native). Prints what differs; exit code 1 if any.
 *
 * `--loops` makes policies of little but loops. `--record` writes the native outcomes of the cases that evalFuzz.deep.test.ts repeats.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Case, caseFrom, outcomeOfNative, outcomesOfPackage } from './compare.js'
import { loopsFrom } from './loops.js'
import { hasNativeEngine, howToBuild, type Oracle, openOracle } from './oracle.js'
import { batchSize, digestOf, recordFile } from './outcomes.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    count: { type: 'string', default: '2000' },
    loops: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const count = Number(values.count)
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 1) {
  throw new Error('--seed and --count are integers')
}
if (!hasNativeEngine) throw new Error(howToBuild)

const make = values.loops ? loopsFrom : caseFrom
const oracle = openOracle()
const differing = values.record ? await record() : await compare()
oracle.close()
process.exitCode = differing > 0 ? 1 : 0

async function compare(): Promise<number> {
  const forms = new Map<string, number>()
  let cases = 0
  let different = 0
  for (let number = seed; cases < count; number++) {
    const one = make(number)
    const ours = await outcomesOfPackage(one)
    const theirs = await native(oracle, one)
    for (const [index, outcome] of theirs.entries()) {
      cases += 1
      const form = /^\["(\w+)/.exec(outcome)?.[1] ?? outcome
      forms.set(form, (forms.get(form) ?? 0) + 1)
      if (ours[index] === outcome) continue
      different += 1
      console.log(`seed ${number}, documents ${index}`)
      console.log(`  package ${ours[index]}\n  crate   ${outcome}\n${one.source}`)
      console.log(JSON.stringify(one.documents[index]))
    }
  }
  const summary = [...forms].map(([form, times]) => `${times} ${form}`).join(', ')
  console.log(`${cases} cases (${summary}), ${different} decided otherwise`)
  return different
}

async function record(): Promise<number> {
  const batches: string[] = []
  let cases = 0
  while (cases < count) {
    const outcomes: string[] = []
    for (let index = 0; index < batchSize; index++) {
      outcomes.push(...(await native(oracle, make(batches.length * batchSize + index))))
    }
    cases += outcomes.length
    batches.push(digestOf(outcomes))
  }
  const file = recordFile(values.loops ? 'loops' : 'outcomes')
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ cases, batches }, null, 2)}\n`)
  console.log(`${cases} cases recorded`)
  return 0
}

async function native(from: Oracle, { source, documents }: Case): Promise<string[]> {
  const outcomes: string[] = []
  for (const { inputJson, dataJson } of documents) {
    const modules = [{ path: 'policy.rego', source }]
    const answer = await from.ask({ modules, input: inputJson, data: dataJson })
    outcomes.push(outcomeOfNative(answer))
  }
  return outcomes
}
