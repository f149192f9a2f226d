/** An EigenDA proxy whose payments outlive the command: what was paid for by one is used by the next. */
import { dirname, join } from 'node:path'
import type { DaClient } from '../../core/index.js'
import { type EigenDaClient, eigenDa } from '../../da/index.js'
import { type FilePayments, filePayments } from '../../da/node/index.js'
import { DirectoryLockedError, MissingPeerError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { sleep } from '../../internal/pause.js'
import type { Terminal } from '../terminal/output.js'
import { configPath } from './config.js'

/** Milliseconds to wait for another command that has the file of payments. */
const PATIENCE = 30_000

/**
 * A client of a proxy that notes beside the profiles what it has paid for and could not read back. The
 * file is had while something is written, and by one command at a time.
 */
export function rememberingEigenDa(
  terminal: Terminal,
  { url, patience = PATIENCE }: { url: string; patience?: number },
): DaClient {
  const name = `${keccakHex(utf8(url)).slice(2, 18)}.json`
  const path = join(dirname(configPath(terminal)), 'payments', name)
  const forgetful = eigenDa({ url })
  let opened: Promise<{ client: EigenDaClient; payments: FilePayments | undefined }> | undefined
  let writes = 0

  async function open(signal: AbortSignal | undefined) {
    const until = Date.now() + patience
    for (;;) {
      const payments = filePayments({ path })
      try {
        await payments.read()
        return { client: eigenDa({ url, payments }), payments }
      } catch (error) {
        await payments.close()
        if (error instanceof MissingPeerError) {
          terminal.stderr(
            'warning  What is paid for is forgotten when this command ends: fs-native-extensions is not installed.\n',
          )
          return { client: forgetful, payments: undefined }
        }
        if (!(error instanceof DirectoryLockedError) || Date.now() >= until) throw error
        await sleep(250, signal)
      }
    }
  }

  async function writing<value>(
    signal: AbortSignal | undefined,
    work: (client: EigenDaClient) => Promise<value>,
  ): Promise<value> {
    writes += 1
    opened ??= open(signal)
    const mine = opened
    try {
      return await work((await mine).client)
    } finally {
      writes -= 1
      if (writes === 0) {
        opened = undefined
        const { payments } = await mine.catch(() => ({ payments: undefined }))
        await payments?.close()
      }
    }
  }

  return {
    ...forgetful,
    put: (bytes, options = {}) => writing(options.signal, (client) => client.put(bytes, options)),
    renew: (locator, bytes, options = {}) =>
      writing(options.signal, (client) => client.renew(locator, bytes, options)),
  }
}
