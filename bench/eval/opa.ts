/**
 * Policies by OPA's runtime. It needs a compiled bundle, which only the `opa` tool makes: where it is
 * found, or named by OPA, they are compiled and run by `@open-policy-agent/opa-wasm`, called bare, with
 * its documents as text as ours are. It is asked in both ways it can be, and the quicker one counts: for
 * `allow` and then for `deny`, which evaluates twice what they share, or once for the whole package,
 * which evaluates what neither reads.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPolicy } from '@open-policy-agent/opa-wasm'
import type { Measured } from './engine.js'

const opaTool: string = process.env['OPA'] ?? 'opa'

/** Whether `opa` runs; says what to do where it does not. */
export function findsOpa(): boolean {
  const { status, error } = spawnSync(opaTool, ['version'])
  const hasOpa = status === 0
  if (!hasOpa) {
    const reason = error === undefined ? `ended with ${status}` : error.message
    console.error(
      `No opa-wasm beside it: ${opaTool} does not run (${reason}). ` +
        'go install github.com/open-policy-agent/opa@v1.10.0, or name it by OPA.',
    )
  }
  return hasOpa
}

/** What OPA's runtime is asked for, as entrypoints. */
const opaQuestions = {
  'allow and deny': (name: string) => [`${name}/allow`, `${name}/deny`],
  package: (name: string) => [name],
} as const

/** The policy by OPA's runtime, by the way it is asked. */
export async function byOpa(
  policy: Measured,
  texts: readonly [string, string],
  expected: { allow: boolean; reasons: readonly string[] },
): Promise<ReadonlyMap<string, () => void>> {
  const runs = new Map<string, () => void>()
  for (const [way, questions] of Object.entries(opaQuestions)) {
    const run = await opaRun(policy, texts, questions(policy.package))
    if (run === undefined) continue
    // A runtime that stops early is fast: what it answers must be what we answer.
    const [first, second] = run().map((results) => results[0]?.result)
    const whole = first as { allow: unknown; deny?: unknown }
    const [allow, deny] = typeof first === 'object' ? [whole.allow, whole.deny] : [first, second]
    const given = { allow, reasons: deny ?? [] }
    if (JSON.stringify(given) !== JSON.stringify(expected)) {
      console.error(`${policy.name}: opa-wasm answers otherwise: ${JSON.stringify(given)}`)
    }
    runs.set(`opa-wasm, ${way}`, run)
  }
  return runs
}

async function opaRun(
  policy: Measured,
  texts: readonly [string, string],
  questions: readonly string[],
): Promise<(() => readonly { result: unknown }[][]) | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-opa-'))
  try {
    const file = join(folder, 'policy.rego')
    writeFileSync(file, policy.rego)
    const entrypoints = questions.flatMap((question) => ['-e', question])
    const bundle = join(folder, 'bundle.tar.gz')
    const built = spawnSync(opaTool, ['build', '-t', 'wasm', ...entrypoints, '-o', bundle, file])
    if (built.status !== 0) {
      console.error(`${policy.name}: opa compiles it not: ${built.stderr}`)
      return undefined
    }
    spawnSync('tar', ['-xzf', bundle, '-C', folder])
    const loaded = await loadPolicy(readFileSync(join(folder, 'policy.wasm')), undefined, {
      'time.weekday': () => 'Tuesday',
    })
    return () => {
      loaded.setData(JSON.parse(texts[1]) as object)
      const input = JSON.parse(texts[0]) as object
      return questions.map((_, entry) => loaded.evaluate(input, entry) as { result: unknown }[])
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
