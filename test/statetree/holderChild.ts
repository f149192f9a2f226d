/** Opens a store, commits version 1, says so, and keeps the store open until it is killed. */
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { createStateTree } from '../../src/statetree/stateTree.js'

const store = await lmdbStore({ path: process.argv[2] as string })
const keyHash = new Uint8Array(32).fill(1)
await createStateTree({ store }).commit([{ keyHash, valueHash: keyHash }], { version: 1 })
process.stdout.write('held\n')
setInterval(() => {}, 1_000)
