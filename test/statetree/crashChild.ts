/**
 * Checks a store on disk, says so, and then writes to it until it is killed.
 *
 * Arguments: `commits <directory>` or `restores <directory>`. Every version is a function of its
 * number alone, so that a later process knows what an earlier one wrote.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { toHex, uintToBytes } from '../../src/internal/bytes.js'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { snapshotChunk } from '../../src/statetree/snapshot/chunk.js'
import { restoreSnapshot } from '../../src/statetree/snapshot/restore.js'
import { createStateTree, type StateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import { type Model, modelRoot, seeded } from './model.js'

const hasher = keccakHasher()
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const fail = (what: string): never => {
  say(`bad ${what}`)
  process.exit(1)
}

const valueAt = (version: number, key: number): Uint8Array =>
  utf8ToBytes(`value ${version % 50} ${key}`)

/** Writes of a version: 12 of 300 keys, a third deletes. */
function opsOf(version: number): { keyHash: Uint8Array; value?: Uint8Array }[] {
  const next = seeded(version + 1)
  return [...Array(12)].map(() => {
    const key = next(300)
    const keyHash = hasher.hash(uintToBytes(key, 4))
    return next(3) === 0 ? { keyHash } : { keyHash, value: valueAt(version, key) }
  })
}

function step(model: Model, version: number): void {
  for (const { keyHash, value } of opsOf(version)) {
    if (value === undefined) model.delete(bytesToHex(keyHash))
    else model.set(bytesToHex(keyHash), bytesToHex(hasher.hash(value)))
  }
}

async function commits(directory: string): Promise<void> {
  const store = await lmdbStore({ path: join(directory, 'tree') })
  const tree = createStateTree({ store })
  const range = store.range()
  const model: Model = new Map()
  let version = 0
  for (; version <= (range?.latest ?? 0); version++) {
    if (version > 0) step(model, version)
    if (range === undefined || version < range.oldest) continue
    await checkVersion(tree, { version, model })
  }
  if (range !== undefined) {
    const marked = store.record('marker')
    if (marked === undefined || toHex(marked) !== toHex(uintToBytes(range.latest, 8)))
      fail('the record is of another version')
  }
  say(`ready ${range?.latest ?? 'empty'}`)
  const next = seeded(Date.now() & 0xffffff)
  for (; ; version++) {
    const writes = opsOf(version).map(({ keyHash, value }) =>
      value === undefined ? { keyHash, valueHash: null } : { keyHash, value },
    )
    await tree.commit(writes, { version, records: [['marker', uintToBytes(version, 8)]] })
    say(`landed ${version}`)
    if (next(4) === 0)
      await tree.prune({ oldest: Math.max(1, version - next(4)), limit: 1 + next(60) })
  }
}

async function checkVersion(
  tree: StateTree,
  { version, model }: { version: number; model: Model },
): Promise<void> {
  const expected = modelRoot(model, hasher.hash)
  if (tree.root({ version }) !== expected) fail(`root of ${version}`)
  const entries = [...tree.entries({ version })].map((e) => [
    bytesToHex(e.keyHash),
    bytesToHex(e.valueHash),
  ])
  if (JSON.stringify(entries) !== JSON.stringify([...model].sort())) fail(`leaves of ${version}`)
  // Bytes are on disk, whole, before the root that names them.
  for (const [, value] of entries) {
    const bytes = await tree.store.bytes.get(`0x${value}`).catch(() => undefined)
    if (bytes === undefined) fail(`bytes of ${version}`)
  }
}

async function restores(directory: string): Promise<void> {
  const source = createStateTree({ store: memoryStore() })
  const writes = [...Array(400).keys()].map((i) => ({
    keyHash: hasher.hash(uintToBytes(i, 4)),
    valueHash: hasher.hash(uintToBytes(i, 4)),
  }))
  const { root } = await source.commit(writes, { version: 1 })
  mkdirSync(directory, { recursive: true })
  let round = Math.max(0, ...readdirSync(directory).map(Number))
  let said = false
  for (; ; round++) {
    const path = join(directory, String(round))
    const store = await lmdbStore({ path })
    if (store.range() !== undefined) {
      const tree = createStateTree({ store })
      if (tree.root() !== root || [...tree.entries()].length !== 400) fail(`restored ${round}`)
      if (store.recordNames('restore/').length > 0) fail(`left-overs of ${round}`)
    }
    if (!said) say(`ready ${existsSync(path)}`)
    said = true
    if (store.range() === undefined) {
      const restore = await restoreSnapshot({ store, version: 1, root })
      for (let from = restore.next(); from !== undefined; from = restore.next()) {
        await restore.addChunk(snapshotChunk(source, { version: 1, from, maxLeaves: 40 }))
      }
      await restore.finish()
    }
    await store.close()
  }
}

const [mode, directory] = process.argv.slice(2)
const run = mode === 'commits' ? commits : restores
run(directory as string).catch((error: unknown) =>
  fail(String(error instanceof Error ? error.stack : error)),
)
