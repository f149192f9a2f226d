/**
 * Entry point of run workers in browsers.
 *
 * What a worker of the page could reach is taken away before any glue code is loaded.
 */
import { PluginWorkerError } from '../errors.js'
import type { CompiledPlugin, HashJob, RunJob } from '../protocol.js'
import { hashJob, type Instantiate, prepareHash, type Realm, runJob } from './run.js'
import { StrictTextDecoder } from './strictTextDecoder.js'

type Loaded = { plugin: CompiledPlugin; instantiate: Instantiate }

const scope = globalThis as unknown as {
  postMessage: (message: unknown) => void
  onmessage: ((event: { data: RunJob | HashJob }) => void) | null
}
const post = scope.postMessage.bind(scope)
const createObjectURL = URL.createObjectURL.bind(URL)
const revokeObjectURL = URL.revokeObjectURL.bind(URL)
const loaded = new Map<string, Loaded>()
const realm: Realm = {
  instantiateCore: (module, imports) => new WebAssembly.Instance(module, imports),
  createAbort: (message) => new Error(message),
}

const taken = [
  'fetch',
  'XMLHttpRequest',
  'WebSocket',
  'WebSocketStream',
  'WebTransport',
  'EventSource',
  'indexedDB',
  'caches',
  'importScripts',
  'Worker',
  'SharedWorker',
  'BroadcastChannel',
  'navigator',
  'location',
  'postMessage',
  'close',
  'eval',
  'Function',
  'setTimeout',
  'setInterval',
]
for (const name of taken) take(name)
Object.defineProperty(globalThis, 'TextDecoder', { value: StrictTextDecoder })

scope.onmessage = (event) => {
  const job = event.data
  if ('hash' in job) {
    post(hashJob(job))
    return
  }
  for (const key of job.drop ?? []) loaded.delete(key)
  load(job)
    .then((entry) => post(runJob(job, entry.plugin, entry.instantiate, realm)))
    .catch((error) =>
      post({
        id: job.id,
        status: 'load-error',
        message: String(error),
        stderr: '',
        memoryBytes: 0,
        milliseconds: 0,
      }),
    )
}
post({ ready: true })
prepareHash()

function take(name: string): void {
  for (let object: object | null = globalThis; object; object = Object.getPrototypeOf(object)) {
    if (!Object.hasOwn(object, name)) continue
    try {
      Object.defineProperty(object, name, {
        value: undefined,
        writable: false,
        configurable: false,
      })
    } catch {
      // Not configurable in this browser: the content security policy has to say it.
    }
  }
}

async function load(job: RunJob): Promise<Loaded> {
  const known = loaded.get(job.key)
  if (known) return known
  const { plugin } = job
  if (!plugin) throw new PluginWorkerError(`it was not given the plugin ${job.key}`)
  const url = createObjectURL(
    new Blob([`${plugin.glue}\nexport { instantiate }`], { type: 'text/javascript' }),
  )
  try {
    const { instantiate } = (await import(/* @vite-ignore */ url)) as { instantiate: Instantiate }
    const entry = { plugin, instantiate }
    loaded.set(job.key, entry)
    return entry
  } finally {
    revokeObjectURL(url)
  }
}
