import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { InvalidInputError } from '../../errors/common.js'
import { assertOptions } from '../../internal/options.js'
import type { PortablePlugin } from '../plugins/protocol.js'
import type { CompiledPluginStore } from '../plugins/runtime/loader.js'

/** Largest stored form that is read: glue code and core modules of the largest component. */
const MAX_STORED_BYTES = 256 * 1024 * 1024

/**
 * Keeps compiled plugins in a directory, so that a restart does not compile them again.
 *
 * What is stored is executed. Every file carries an HMAC-SHA256 under `key`; a file that fails it
 * counts as not there. Keep the key where the directory's writers cannot read it. Inside an enclave
 * use no store: compiled forms never come from outside.
 *
 * @param parameters.key - 32 bytes or more, secret.
 * @throws {InvalidInputError} for a short key.
 * @example
 * ```ts
 * import { createPluginRuntime } from '@newton/policy-sdk/eval'
 * import { fileCompiledPluginStore, nodePluginWorkers } from '@newton/policy-sdk/eval/node'
 *
 * declare const key: Uint8Array
 * createPluginRuntime({
 *   workers: nodePluginWorkers(),
 *   store: fileCompiledPluginStore({ directory: '/var/cache/newton-plugins', key }),
 * })
 * ```
 */
export function fileCompiledPluginStore(parameters: {
  directory: string
  key: Uint8Array
}): CompiledPluginStore {
  assertOptions(
    parameters,
    { directory: 'text', key: 'any' },
    { field: 'parameters', required: ['directory'] },
  )
  const { directory, key } = parameters
  if (!(key instanceof Uint8Array) || key.length < 32) {
    throw new InvalidInputError({ field: 'key', reason: 'expected 32 secret bytes or more' })
  }
  const secret = Uint8Array.from(key)
  const pathOf = (name: string): string =>
    join(directory, `${createHash('sha256').update(name).digest('hex')}.plugin`)
  // The name is under the MAC too: a file moved to another name is another plugin's.
  const tagOf = (name: string, body: Uint8Array): Buffer =>
    createHmac('sha256', secret).update(`${name.length}:${name}`).update(body).digest()

  return {
    async get(name) {
      const file = await readWhole(pathOf(name)).catch(() => undefined)
      if (file === undefined || file.length < 33) return null
      const body = file.subarray(32)
      if (!timingSafeEqual(file.subarray(0, 32), tagOf(name, body))) return null
      const plugin = deserialize(body) as PortablePlugin
      return {
        glue: plugin.glue,
        modules: plugin.modules.map(([part, bytes]) => [part, bytes] as const),
      }
    },
    async put(name, plugin) {
      const body = serialize({ glue: plugin.glue, modules: plugin.modules })
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const path = pathOf(name)
      const temporary = `${path}.${process.pid}.${Date.now()}`
      try {
        await writeFile(temporary, Buffer.concat([tagOf(name, body), body]), { mode: 0o600 })
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    },
  }
}

/** A file in one read: `readFile` takes a large one in many. */
async function readWhole(path: string): Promise<Buffer | undefined> {
  const handle = await open(path)
  try {
    const { size } = await handle.stat()
    if (size > MAX_STORED_BYTES) return undefined
    const file = Buffer.allocUnsafeSlow(size)
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(file, at, size - at, at)
      if (bytesRead === 0) return undefined
      at += bytesRead
    }
    return file
  } finally {
    await handle.close()
  }
}
