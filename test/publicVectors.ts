import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../shared/vectors/public/', import.meta.url))

/**
 * Folder of public test data, or `undefined` where it is not beside this checkout, with a printed
 * reason. Where `CI_REQUIRE_ALL` is set, absence is an error instead of a skip.
 */
export function publicVectors(folder: string): string | undefined {
  const path = `${root}${folder}`
  if (existsSync(path)) return path
  if (process.env['CI_REQUIRE_ALL']) throw new Error(`public vectors ${folder} are required here`)
  console.warn(`skipped: public vectors ${folder} are not beside this checkout`)
  return undefined
}
