/**
 * Entry point of run workers on Node.
 *
 * Glue code is evaluated in a context of its own that holds no `process`, `require`, timers or
 * network, and cannot make code from strings; `import()` there fails. What it is handed from this
 * context leads back to no function constructor: those are cut off first.
 */
import vm from 'node:vm'
import { parentPort } from 'node:worker_threads'
import { PluginWorkerError } from '../../plugins/errors.js'
import type { CompiledPlugin, HashJob, RunJob } from '../../plugins/protocol.js'
import {
  hashJob,
  type Instantiate,
  prepareHash,
  type Realm,
  runJob,
} from '../../plugins/worker/run.js'
import { StrictTextDecoder } from '../../plugins/worker/strictTextDecoder.js'

type Prepared = { context: vm.Context; realm: Realm }
type Loaded = { plugin: CompiledPlugin; instantiate: Instantiate; realm: Realm }

for (const sample of [() => {}, async () => {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(sample), 'constructor', {
    value: undefined,
    writable: false,
    configurable: false,
  })
}

const loaded = new Map<string, Loaded>()
/** The context of the next plugin. No two share one. */
let prepared: Prepared | undefined
const port = parentPort

port?.on('message', (job: RunJob | HashJob) => {
  if ('hash' in job) {
    port.postMessage(hashJob(job))
    return
  }
  for (const key of job.drop ?? []) loaded.delete(key)
  let entry: Loaded
  try {
    entry = load(job)
  } catch (error) {
    port.postMessage({
      id: job.id,
      status: 'load-error',
      message: String(error),
      stderr: '',
      memoryBytes: 0,
      milliseconds: 0,
    })
    return
  }
  const reply = runJob(job, entry.plugin, entry.instantiate, entry.realm)
  port.postMessage(reply)
  // A plugin that waits for an answer is run again as soon as there is one.
  if (reply.status !== 'request') setImmediate(prepareAhead)
})
port?.postMessage({ ready: true })
setImmediate(prepareAhead)
setImmediate(prepareHash)

function load(job: RunJob): Loaded {
  const known = loaded.get(job.key)
  if (known) return known
  const { plugin } = job
  if (!plugin) throw new PluginWorkerError(`it was not given the plugin ${job.key}`)
  const { context, realm } = prepared ?? prepare()
  prepared = undefined
  const instantiate = vm.runInContext(`${plugin.glue}\n;instantiate`, context, {
    filename: 'plugin.js',
  })
  const entry: Loaded = { plugin, instantiate, realm }
  loaded.set(job.key, entry)
  return entry
}

function prepare(): Prepared {
  const context = vm.createContext(
    { TextDecoder: StrictTextDecoder, TextEncoder },
    { codeGeneration: { strings: false, wasm: false } },
  )
  return {
    context,
    realm: {
      instantiateCore: vm.runInContext('(m, i) => new WebAssembly.Instance(m, i)', context),
      createAbort: vm.runInContext('(m) => new Error(m)', context),
    },
  }
}

/** A context takes a millisecond that no plugin should wait for. */
function prepareAhead(): void {
  prepared ??= prepare()
}
