/** Entry point of compile workers on Node. Runs the transpiler, never a plugin. */
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import type { CompileJob } from '../../plugins/protocol.js'
import { compileJob, type Transpiler } from '../../plugins/worker/compile.js'

const port = parentPort
// Linux has a priority for each thread; elsewhere it would be the whole process's.
if (workerData.nice > 0 && process.platform === 'linux') setPriority(0, workerData.nice)
const transpiler: Promise<Transpiler> = import(workerData.transpiler)

port?.on('message', (job: CompileJob) => {
  void transpiler.then((loaded) => compileJob(job, loaded)).then((reply) => port.postMessage(reply))
})
transpiler
  .then((loaded) => loaded.$init)
  .then(
    () => port?.postMessage({ ready: true }),
    (error) => port?.postMessage({ failed: `the transpiler does not load: ${error}` }),
  )
