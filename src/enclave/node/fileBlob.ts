import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlobPlace } from '../host/sealedKv.js'

/**
 * Keeps a sealed state in a file. Writing replaces it in one step and is on disk when it resolves.
 */
export function fileBlob(parameters: { path: string }): BlobPlace {
  const { path } = parameters
  return {
    read: async () => {
      try {
        return new Uint8Array(await readFile(path))
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw cause
      }
    },
    write: async (blob) => {
      const next = `${path}.next`
      const file = await open(next, 'w', 0o600)
      try {
        await file.writeFile(blob)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(next, path)
      // The name itself must be on disk too.
      const folder = await open(dirname(path), 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    },
  }
}
