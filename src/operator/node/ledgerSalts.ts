/** Salts of what the ledger knows as a hash only, in files: removing one erases what it hid. */
import { randomBytes as nodeRandomBytes } from 'node:crypto'
import { join } from 'node:path'
import { InvalidInputError } from '../../errors/common.js'
import { type DurableFs, nodeFs } from '../../ledger/node/index.js'
import { type LedgerSalts, saltLength } from '../ledger/salts.js'

/**
 * Keeps each task's salt in a file of its own, `<directory>/<two digits>/<task id>`.
 *
 * @throws {InvalidInputError} from `saltOf`, for what is no task id, and for a file that is no salt.
 * @example
 * ```ts
 * import { fileSalts } from '@newton/policy-sdk/operator/node'
 *
 * const salts = fileSalts({ directory: '/var/lib/newton/operator/ledger/salts' })
 * ```
 */
export function fileSalts(parameters: {
  directory: string
  fs?: DurableFs | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}): LedgerSalts {
  const { directory, fs = nodeFs(), randomBytes = nodeRandomBytes } = parameters
  const flights = new Map<string, Promise<Uint8Array>>()
  const load = async (taskId: string): Promise<Uint8Array> => {
    const folder = join(directory, taskId.slice(2, 4))
    const path = join(folder, taskId)
    const kept = await fs.readFile(path)
    if (kept !== undefined) {
      if (kept.length === saltLength) return kept
      throw new InvalidInputError({
        field: 'salt',
        reason: `${path} does not hold ${saltLength} bytes`,
      })
    }
    const salt = Uint8Array.from(randomBytes(saltLength))
    for (const each of [directory, folder]) {
      await fs.makeFolder(each)
      await fs.syncFolder(join(each, '..'))
    }
    await fs.remove(`${path}.tmp`)
    await fs.writeFile(`${path}.tmp`, salt)
    await fs.rename(`${path}.tmp`, path)
    await fs.syncFolder(folder)
    return salt
  }
  return {
    saltOf: (taskId) => {
      if (!/^0x[0-9a-f]{64}$/.test(taskId)) {
        throw new InvalidInputError({ field: 'taskId', reason: 'expected 32 bytes in lower case' })
      }
      const flight = flights.get(taskId) ?? load(taskId).finally(() => flights.delete(taskId))
      flights.set(taskId, flight)
      return flight
    },
  }
}
