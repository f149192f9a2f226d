/** A local gateway over real HTTP and WebSocket that answers as a test tells it to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export type RpcRequest = {
  id: string
  jsonrpc: string
  method: string
  params: Record<string, unknown>
  headers: IncomingMessage['headers']
}
export type Answer = (request: RpcRequest, response: ServerResponse) => void

export type GatewayServer = {
  url: string
  requests: RpcRequest[]
  /** Answers of the next requests, in order; the last one stays. */
  answers: Answer[]
  /** Handles the next connections, in order; the last one stays. */
  sockets: ((socket: WebSocket, request: IncomingMessage) => void)[]
  connections: IncomingMessage[]
  close(): Promise<void>
}

export async function startGatewayServer(): Promise<GatewayServer> {
  const requests: RpcRequest[] = []
  const answers: Answer[] = []
  const sockets: GatewayServer['sockets'] = []
  const connections: IncomingMessage[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Omit<RpcRequest, 'headers'>
      const request = { ...body, headers: incoming.headers }
      requests.push(request)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      if (answer === undefined) response.writeHead(500).end()
      else answer(request, response)
    })
  })
  const webSockets = new WebSocketServer({ server, path: '/ws' })
  webSockets.on('connection', (socket, request) => {
    connections.push(request)
    const handle = sockets.length > 1 ? sockets.shift() : sockets[0]
    handle?.(socket, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/rpc`,
    requests,
    answers,
    sockets,
    connections,
    close: async () => {
      for (const socket of webSockets.clients) socket.terminate()
      webSockets.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const json =
  (
    body: unknown,
    { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
  ): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }
export const result =
  (value: unknown): Answer =>
  (request, response) =>
    json({ jsonrpc: '2.0', id: request.id, result: value })(request, response)
export const failure =
  (code: number, message: string, status = 200): Answer =>
  (request, response) =>
    json({ jsonrpc: '2.0', id: request.id, error: { code, message } }, { status })(
      request,
      response,
    )
export const text =
  (body: string, status = 200, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }
export const hangUp: Answer = (_request, response) => {
  response.socket?.destroy()
}
export const silence: Answer = () => undefined
