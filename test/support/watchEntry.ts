/** A task watched in a page, over the page's own WebSocket, and verified there. */
import type { Address } from 'viem'
import { createTaskClient, type SentRequest } from '../../src/operator/index.js'
import { createWorld } from './attestationWorld.js'

/** Resolves with what is verified of the answer. */
export function watchTask(asked: {
  url: string
  apiKey: string
  sent: SentRequest
}): Promise<{ state: string; allowed: boolean | undefined }> {
  const { registry, reader } = createWorld()
  const snapshot = registry.snapshot
  // As the gateway's own registry has it.
  registry.snapshot = (at) => snapshot({ ...at, client: at.client.toLowerCase() as Address })
  const { url, apiKey, sent } = asked
  const tasks = createTaskClient({ gateway: { url, apiKey }, reader, subscribe: true })
  return new Promise((resolve, reject) => {
    tasks.watchTask({
      sent,
      onProgress: (progress) => {
        if (progress.state === 'failed') reject(progress.error)
        else if (progress.state === 'signed') {
          resolve({ state: progress.state, allowed: progress.result?.allowed })
        }
      },
      onError: reject,
    })
  })
}

Object.assign(globalThis, { watchTask })
