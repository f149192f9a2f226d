import { parentPort } from 'node:worker_threads'
import { serveKzg } from '../kzg/worker.js'

const port = parentPort
if (port) {
  serveKzg({
    postMessage: (message) => port.postMessage(message),
    listen: (listener) => port.on('message', listener),
    close: () => port.close(),
  })
}
