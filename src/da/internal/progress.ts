/** Progress as callers are promised it: it only grows, and a success ends with all bytes. */
import type { DaOptions } from '../../core/interfaces/daClient.js'

type OnProgress = NonNullable<DaOptions['onProgress']>

/**
 * Passes on what is more than before: after a retry, or where sources race, a source starts anew
 * while the caller has seen more already.
 */
export function growingProgress(onProgress: OnProgress | undefined): OnProgress | undefined {
  if (!onProgress) return undefined
  let most = -1
  return (progress) => {
    if (progress.loaded <= most) return
    most = progress.loaded
    onProgress(progress)
  }
}
