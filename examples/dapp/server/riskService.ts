/** The service that the data plugin asks: scores of addresses, for who has the API key. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the service says of an address. */
export type Score = { score: number; listed: boolean }

export type RiskService = { endpoint: string; close: () => Promise<void> }

/** Starts the service. Whom it does not know it finds harmless. */
export async function startRiskService(parameters: {
  apiKey: string
  scores: Readonly<Record<string, Score>>
}): Promise<RiskService> {
  const { apiKey, scores } = parameters
  const server = createServer((request, response) => {
    const address = /^\/v1\/addresses\/(0x[\da-f]{40})$/.exec(request.url ?? '')?.[1]
    if (request.headers['x-api-key'] !== apiKey) response.writeHead(401).end()
    else if (address === undefined) response.writeHead(404).end()
    else {
      const known = scores[address] ?? { score: 12, listed: false }
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ address, ...known }))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
