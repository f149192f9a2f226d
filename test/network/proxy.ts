/** A link between processes that can be cut, slowed down, or made to lie, and that sees what goes over it. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

/** What a link does. */
export type LinkMode = 'open' | 'cut' | 'slow' | 'garbage'

/** A call that went over a link, with its answer. */
export type Exchange = {
  link: string
  method: string
  body: string
  status: number
  answer: string
}

/** Starts a link to `target`, which may listen later. */
export async function startLink(
  { name, target }: { name: string; target: string },
  record: (exchange: Exchange) => void,
) {
  const state: { mode: LinkMode; spoiled: number } = { mode: 'open', spoiled: 0 }
  const server = createServer((incoming, outgoing) => {
    if (state.mode === 'cut') {
      state.spoiled++
      incoming.socket.destroy()
      return
    }
    forward(incoming, outgoing, { name, target, state, record })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  return {
    name,
    url: `http://127.0.0.1:${address.port}`,
    state,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  link: {
    name: string
    target: string
    state: { mode: LinkMode; spoiled: number }
    record: (exchange: Exchange) => void
  },
): void {
  const { name, target, state, record } = link
  const chunks: Uint8Array[] = []
  incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  incoming.on('error', () => outgoing.destroy())
  incoming.on('end', () => {
    const body = Buffer.concat(chunks)
    const { host: _, connection: __, ...headers } = incoming.headers
    const sent = request(`${target}${incoming.url}`, { method: incoming.method, headers })
    outgoing.on('close', () => sent.destroy())
    sent.on('error', () => outgoing.destroy())
    sent.on('response', (response) => {
      const parts: Uint8Array[] = []
      response.on('data', (chunk: Uint8Array) => parts.push(chunk))
      response.on('error', () => outgoing.destroy())
      response.on('end', () => {
        const answer = Buffer.concat(parts)
        const status = response.statusCode ?? 0
        if (incoming.method === 'POST') {
          const said = { link: name, method: incoming.url ?? '', status }
          record({ ...said, body: body.toString(), answer: answer.toString() })
        }
        const give = (): void => {
          if (state.mode === 'garbage') state.spoiled++
          outgoing.writeHead(status, { 'content-type': 'application/json' })
          outgoing.end(state.mode === 'garbage' ? '{"jsonrpc":"2.0","id":"x","result":7}' : answer)
        }
        if (state.mode === 'slow') {
          state.spoiled++
          setTimeout(give, 3_000)
        } else give()
      })
    })
    sent.end(body)
  })
}
