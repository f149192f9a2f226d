/** The counter's enclave in a process of its own, its state in LMDB. */
import {
  createAppEnclave,
  createAttestor,
  createKeyManager,
  createTypedStore,
  serveAppEnclave,
} from '../../src/enclave/index.js'
import { duplexListener, lmdbKv, standardStreams } from '../../src/enclave/node/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { counterApp } from './counterApp.js'

const simulator = createSimulator({ image: [{ name: 'counter', bytes: Uint8Array.of(1) }] })
const attestor = createAttestor(simulator.nsm)
const keys = createKeyManager({
  masterSecret: new Uint8Array(32).fill(1),
  pcr0: await attestor.measurement(),
})
await serveAppEnclave({
  enclave: createAppEnclave({
    app: counterApp(Number(process.env['ENCLAVE_DELAY'] ?? '0')),
    attestor,
    keys,
    store: createTypedStore(await lmdbKv({ path: process.env['ENCLAVE_STORE'] as string })),
    chain: 'trust-host',
    rollback: 'trust-host',
  }),
  listener: duplexListener({ stream: standardStreams() }),
})
