/** A Postgres server of its own for a test, from Debian's package. It refuses root, so `su` starts it. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../src/testing/node/index.js'

const run = promisify(execFile)
const base = '/usr/lib/postgresql'

/** Folder of the newest installed server's programs. */
export const postgresPrograms: string | undefined = existsSync(base)
  ? readdirSync(base)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(base, version, 'bin'))
      .find((folder) => existsSync(join(folder, 'initdb')))
  : undefined

/** Starts a server with an empty database, whose name is `postgres`. */
export async function startPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  const programs = postgresPrograms as string
  const root = process.getuid?.() === 0
  const folder = await mkdtemp(join(tmpdir(), 'newton-postgres-'))
  const as = (command: string): Promise<unknown> =>
    root ? run('su', ['postgres', '-c', command]) : run('sh', ['-c', command])
  const data = join(folder, 'data')
  const port = await freePort()
  if (root) {
    await chmod(folder, 0o755)
    await run('chown', ['postgres', folder])
  }
  await as(`${programs}/initdb --no-sync -A trust -U postgres -D ${data}`)
  const options = `-c port=${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`
  await as(`${programs}/pg_ctl -w -D ${data} -l ${folder}/log -o "${options}" start`)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: async () => {
      await as(`${programs}/pg_ctl -m immediate -D ${data} stop`)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
