/** An application that adds up what events say, for tests that need it in two processes. */
import {
  defineEnclaveApp,
  defineKey,
  defineRequest,
  type EnclaveApp,
  type RequestRoute,
  uint64Codec,
} from '../../src/enclave/index.js'

type Routes = { add: RequestRoute<bigint, bigint> }
const total = defineKey('total', uint64Codec)

/** The application; `delay` milliseconds pass inside each handler. */
export function counterApp(delay = 0): EnclaveApp<bigint, Routes, bigint> {
  return defineEnclaveApp<bigint, Routes, bigint>({
    name: 'counter',
    requests: {
      add: defineRequest({
        input: uint64Codec,
        output: uint64Codec,
        handle: async (amount, { store }) => {
          const next = ((await store.get(total)) ?? 0n) + amount
          store.set(total, next)
          await new Promise((resolve) => setTimeout(resolve, delay))
          return next
        },
      }),
    },
    events: {
      added: {
        matches: () => true,
        build: ({ event }) => ({ type: 'add', input: event }),
        transaction: ([answer]) => answer?.output,
      },
    },
  })
}
