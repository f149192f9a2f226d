/** Opens each database of LMDB where it cannot be opened, in a process that may die of it. */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { lmdbKv } from '../../src/enclave/node/lmdbKv.js'
import { lmdbLookup } from '../../src/ledger/node/lmdbLookup.js'
import { lmdbIndexStore } from '../../src/registry/node/lmdbIndexStore.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'

type Opened = { close(): Promise<void> }
/** Its file, its lock file, how it is opened, and how it is written to. */
const stores = {
  lmdbStore: {
    files: ['tree.mdb', 'tree.mdb-lock'],
    open: (path: string): Promise<Opened> => lmdbStore({ path }),
  },
  lmdbLookup: {
    files: ['lookup.mdb', 'lookup.mdb-lock'],
    open: (directory: string): Promise<Opened> => lmdbLookup({ directory }),
  },
  lmdbIndexStore: {
    files: ['index.mdb', 'index.mdb-lock'],
    open: (path: string): Promise<Opened> => lmdbIndexStore({ path }).open(),
  },
  lmdbKv: {
    files: ['data.mdb', 'lock.mdb'],
    open: (path: string): Promise<Opened> => lmdbKv({ path }),
  },
}
type At = { path: string; file: string; lock: string }

/** What was done to a database that was closed. */
const cases: Record<string, (at: At) => void> = {
  nothing: () => {},
  'no lock file': ({ lock }) => rmSync(lock),
  'an empty lock file': ({ lock }) => writeFileSync(lock, ''),
  'a short lock file': ({ lock }) => writeFileSync(lock, 'abc'),
  'a lock file of holes': ({ lock }) => {
    writeFileSync(lock, '')
    truncateSync(lock, 8_192)
  },
  'a lock file of other bytes': ({ lock }) => writeFileSync(lock, new Uint8Array(8_192).fill(7)),
  'a lock file of another user': ({ lock }) => chmodSync(lock, 0),
  'a lock file that is not to be written': ({ lock }) => chmodSync(lock, 0o444),
  'a folder for a lock file': ({ lock }) => {
    rmSync(lock)
    mkdirSync(lock)
  },
  'a dangling link for a lock file': ({ lock }) => {
    rmSync(lock)
    symlinkSync(join(lock, 'nowhere'), lock)
  },
  'a link to another file for a lock file': ({ lock, path }) => {
    rmSync(lock)
    writeFileSync(join(path, 'another'), 'precious')
    symlinkSync(join(path, 'another'), lock)
  },
  'a circle of links for a lock file': ({ lock }) => {
    rmSync(lock)
    symlinkSync(lock, lock)
  },
  'a database of another user': ({ file }) => chmodSync(file, 0),
  'a database that is not to be written': ({ file }) => chmodSync(file, 0o444),
  'a folder for a database': ({ file }) => {
    rmSync(file)
    mkdirSync(file)
  },
  'a folder of another user': ({ path, lock }) => {
    rmSync(lock)
    chmodSync(path, 0o555)
  },
}

const tell = (what: string, said: unknown): void => {
  writeSync(1, `${JSON.stringify([what, said])}\n`)
}

async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'opened'
  } catch (error) {
    const { code, name } = error as { code?: unknown; name: string }
    return typeof code === 'string' && /^[A-Z_]+$/.test(code)
      ? code
      : `untyped ${name} ${String(code)}`
  }
}

const open = async (store: keyof typeof stores, path: string): Promise<string> =>
  outcome(async () => (await stores[store].open(path)).close())

async function refused(base: string): Promise<void> {
  for (const name of Object.keys(stores) as (keyof typeof stores)[])
    for (const [what, change] of Object.entries(cases)) {
      const path = join(base, name, what.replaceAll(' ', '-'))
      await open(name, path)
      const [file, lock] = stores[name].files.map((one) => join(path, one)) as [string, string]
      change({ path, file, lock })
      // Told before as well: the last line says what the process died of.
      tell(`${name}: ${what}`, 'begun')
      tell(`${name}: ${what}`, await open(name, path))
    }
}

async function handles(base: string): Promise<void> {
  for (const name of Object.keys(stores) as (keyof typeof stores)[]) {
    const path = join(base, name)
    await open(name, path)
    for (let free = 0; free < 12; free++) {
      const taken: number[] = []
      try {
        for (;;) taken.push(openSync('/dev/null', 'r'))
      } catch {
        for (const one of taken.splice(0, free)) closeSync(one)
      }
      tell(`${name}: ${free} handles`, 'begun')
      const said = await open(name, path)
      for (const one of taken) closeSync(one)
      tell(`${name}: ${free} handles`, said)
    }
    tell(`${name}: enough handles`, await open(name, path))
  }
}

/** On a file system of its own at `base`. */
async function full(base: string): Promise<void> {
  for (const name of Object.keys(stores) as (keyof typeof stores)[])
    for (const kind of ['new', 'no lock file', 'a lock file of holes', 'nothing'])
      for (const free of [0, 1, 2, 3, 4, 6, 8, 12]) {
        const path = join(base, 'store')
        const [file, lock] = stores[name].files.map((one) => join(path, one)) as [string, string]
        if (kind === 'new') mkdirSync(path)
        else {
          await open(name, path)
          cases[kind]?.({ path, file, lock })
        }
        fill(base, free)
        tell(`${name}: ${kind}, ${free} free`, 'begun')
        tell(`${name}: ${kind}, ${free} free`, await open(name, path))
        rmSync(join(base, 'ballast'), { recursive: true })
        tell(`${name}: ${kind}, room again`, await open(name, path))
        rmSync(path, { recursive: true })
      }
}

function fill(base: string, free: number): void {
  mkdirSync(join(base, 'ballast'))
  const page = new Uint8Array(4_096)
  const left = statfsSync(base).bfree
  for (let at = 0; at < left; at++)
    try {
      writeFileSync(join(base, 'ballast', String(at)), page)
    } catch {
      break
    }
  for (const one of readdirSync(join(base, 'ballast')).slice(0, free))
    rmSync(join(base, 'ballast', one))
}

const [, , what, base] = process.argv as unknown as [string, string, string, string]
const runs: Record<string, (base: string) => Promise<void>> = { refused, handles, full }
await runs[what]?.(base)
process.exit(0)
