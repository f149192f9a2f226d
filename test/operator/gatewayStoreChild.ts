/** Keeps tasks and answers, tells each one that was acknowledged, until it is killed. */

import type { StoredTask } from '../../src/operator/index.js'
import { pgliteGatewayStore } from '../../src/operator/node/index.js'
import { policyRegistry } from '../support/attestationWorld.js'

const store = await pgliteGatewayStore({
  directory: process.argv[2] as string,
  chainId: 31_337n,
  policyRegistry,
})
for (let number = 1; ; number++) {
  const taskId = `0x${(0xfeed0000 + number).toString(16).padStart(64, '0')}` as const
  const task: StoredTask = {
    ...{ taskId, task: '0x', caller: 'child', requestId: undefined, contentHash: taskId },
    ...{ pcr0Commitment: taskId, broadcast: false, state: 'received', failure: undefined },
    ...{ deadline: 0, createdAt: 0 },
  }
  await store.insert(task, { owner: 'child', lease: 60_000 })
  await store.saveAnswer({ taskId, fence: 1 }, { messageHash: taskId, answer: '{}' })
  process.send?.(taskId)
}
