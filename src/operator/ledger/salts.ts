/** Salts of what the ledger knows as a hash only. Destroying one erases what it hid. */
import { randomBytes as nobleRandomBytes } from '@noble/hashes/utils.js'

/** Keeps a salt for each task, outside the ledger. */
export type LedgerSalts = {
  /** The salt of a task, made where there is none. It is kept before it is answered. */
  saltOf(taskId: string): Promise<Uint8Array>
}

/** Bytes of a salt. */
export const saltLength = 32

/** Salts in memory: whoever records a task again after a restart has another one. */
export function memorySalts(
  randomBytes: (length: number) => Uint8Array = nobleRandomBytes,
): LedgerSalts {
  const salts = new Map<string, Uint8Array>()
  return {
    saltOf: async (taskId) => {
      const salt = salts.get(taskId) ?? randomBytes(saltLength)
      salts.set(taskId, salt)
      return salt
    },
  }
}
