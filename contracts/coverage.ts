/**
 * Prints how much of `contracts/src` the tests reach: branches and lines by file, and the branches that
 * none takes. Exits 1 where fewer than {@link LEAST} of the branches are taken.
 *
 * Without the optimizer and its IR, which lose where a branch came from. Contracts are compiled into a
 * folder of their own, so that what `forge build` left stays.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

type Branch = { line: number; taken: boolean }
type Coverage = { branches: Branch[]; lines: number; reached: number }

/** Least share of branches. */
const LEAST = 0.95

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'coverage-'))
const report = join(folder, 'lcov.info')

function run(): void {
  const skipped = ['contracts/test/proxymodel/**']
  const { status, error } = spawnSync(
    'forge',
    [
      'coverage',
      ...skipped.flatMap((path) => ['--skip', path]),
      // Gas and sizes are those of other code.
      ...['--no-match-test', '^test_(gas|sizes)'],
      // Forge takes functions named table… for tests, wherever they are.
      ...['--no-match-path', '{contracts/src/**,contracts/test/invariants/**}'],
      ...['--report', 'lcov', '--report-file', report],
    ],
    {
      cwd: root,
      stdio: ['ignore', process.stderr, process.stderr],
      env: {
        ...process.env,
        FOUNDRY_OUT: join('contracts', 'cache', 'coverage-out'),
        FOUNDRY_CACHE_PATH: join('contracts', 'cache', 'coverage'),
      },
    },
  )
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** What an lcov file says of our sources. */
function readReport(): Map<string, Coverage> {
  const files = new Map<string, Coverage>()
  let current: Coverage | undefined
  for (const line of readFileSync(report, 'utf8').split('\n')) {
    const [tag, value = ''] = line.split(/:(.*)/s)
    const fields = value.split(',')
    if (tag === 'SF') {
      const path = value.replace(root, '')
      current = path.startsWith('contracts/src/')
        ? { branches: [], lines: 0, reached: 0 }
        : undefined
      if (current !== undefined) files.set(path.slice('contracts/src/'.length), current)
    } else if (tag === 'BRDA') {
      current?.branches.push({ line: Number(fields[0]), taken: !/^(-|0)$/.test(fields[3] ?? '-') })
    } else if (tag === 'DA' && current !== undefined) {
      current.lines += 1
      if (fields[1] !== '0') current.reached += 1
    }
  }
  return files
}

/** One line a file. */
function print(files: ReadonlyMap<string, Coverage>): number {
  let all = 0
  let taken = 0
  for (const [path, { branches, lines, reached }] of files) {
    const missed = branches.filter((branch) => !branch.taken).map(({ line }) => line)
    all += branches.length
    taken += branches.length - missed.length
    const counts = `${branches.length - missed.length}/${branches.length} branches, ${reached}/${lines} lines`
    const where =
      missed.length === 0 ? '' : `, none takes those of ${[...new Set(missed)].join(' ')}`
    process.stdout.write(`${path.padEnd(45)} ${counts}${where}\n`)
  }
  const share = all === 0 ? 0 : taken / all
  process.stdout.write(`${taken} of ${all} branches: ${(100 * share).toFixed(1)} %\n`)
  return share
}

try {
  run()
  process.exitCode = print(readReport()) < LEAST ? 1 : 0
} finally {
  rmSync(folder, { recursive: true, force: true })
}
