/** State that is one text, in a file that is replaced as a whole: a challenger's, a replica's cursor. */

import { readFile } from 'node:fs/promises'
import { writeFileDurably } from '../../da/node/fileDa.js'
import { utf8 } from '../../internal/bytes.js'
import { createOrder } from '../../internal/singleFlight.js'
import type { TextStore } from '../roles/bindings.js'

/**
 * Keeps a text in a file. After a crash at any instant there is the old text or the new one.
 *
 * @example
 * ```ts
 * import { fileTextStore } from '@newton/policy-sdk/operator/node'
 *
 * const store = fileTextStore('/var/lib/newton/challenger.json')
 * ```
 */
export function fileTextStore(path: string): TextStore {
  const inOrder = createOrder()
  return {
    load: () =>
      readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw error
      }),
    // One at a time: the last one that was asked for is what stays.
    save: (text) => inOrder(() => writeFileDurably(path, utf8(text))),
  }
}
