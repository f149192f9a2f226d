/** One origin for the page and what its application has beside the chain. */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { toProofCalldata } from '@newton/policy-sdk/statetree'
import type { Hex } from 'viem'
import { createDishonestGateway, isForgery } from './dishonestGateway.js'
import { type Network, recipients } from './network.js'

export type PageServer = { url: string; close: () => Promise<void> }

type Reply = { status?: number; type?: string; body?: string | Uint8Array; headers?: object }
type Route = (match: RegExpExecArray, request: IncomingMessage) => Promise<Reply>

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
}

/**
 * The page's content security policy. The engine is WebAssembly, hence `wasm-unsafe-eval`; nothing is
 * evaluated from text, nothing comes from elsewhere, and the page talks to its server, the node and the
 * gateway.
 */
export function contentSecurityPolicy(connect: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${connect.map((url) => new URL(url).origin).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** Serves the built page in `directory`. */
export async function startPageServer(parameters: {
  network: Network
  directory: string
  port?: number | undefined
}): Promise<PageServer> {
  const { network, directory, port = 0 } = parameters
  const { devnet } = network
  const policy = contentSecurityPolicy([devnet.anvil.url, devnet.gatewayUrl])
  const routes = routesOf(network)
  const server: Server = createServer((request, response) => {
    answer(request, { routes, directory })
      .catch((): Reply => ({ status: 500 }))
      .then((reply) => write(response, reply, policy))
      .catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function write(response: ServerResponse, reply: Reply, policy: string): void {
  const { status = 200, type = 'application/json', body = '', headers } = reply
  response
    .writeHead(status, {
      'content-type': type,
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      ...headers,
    })
    .end(body)
}

async function answer(
  request: IncomingMessage,
  { routes, directory }: { routes: readonly [RegExp, Route][]; directory: string },
): Promise<Reply> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://page')
  for (const [pattern, route] of routes) {
    const match = pattern.exec(pathname + search)
    if (match !== null) return route(match, request)
  }
  const file = normalize(pathname === '/' ? '/index.html' : pathname)
  try {
    const body = await readFile(join(directory, file))
    return { type: types[extname(file)] ?? 'application/octet-stream', body }
  } catch {
    return { status: 404 }
  }
}

/** What the application has beside the chain: nothing of it is believed by the page. */
function routesOf(network: Network): [RegExp, Route][] {
  const { devnet, risk, apiKey } = network
  const { committed } = devnet.operators[3] as (typeof devnet.operators)[number]
  const forge = createDishonestGateway(network)
  return [
    [/^\/config\.json$/, async () => ({ body: json(configOf(network)) })],
    // Artifacts, as an object store has them.
    [
      /^\/artifacts\/([\da-f]{64})$/,
      async ([, hash]) => {
        const locator = { kind: 'keccakStore', name: '' } as const
        const body = await devnet.da.getWithVerification(locator, `0x${hash}`).catch(() => null)
        return body === null ? { status: 404 } : { type: 'application/octet-stream', body }
      },
    ],
    // Sealed secrets, under the root committed at a block.
    [
      /^\/envelopes\/(0x[\da-f]{64})\?block=(\d+)$/,
      async ([, id, block]) => {
        const body = await committed.getEnvelope({
          policyDataInstanceId: id as Hex,
          block: BigInt(block as string),
        })
        return body === null ? { status: 404 } : { type: 'application/octet-stream', body }
      },
    ],
    // Proofs of artifacts under the root committed at a block.
    [
      /^\/proofs\/(\d)\/(0x[\da-f]{64})\?block=(\d+)$/,
      async ([, namespace, hash, block]) => {
        const asked = {
          namespace: Number(namespace),
          hash: hash as Hex,
          block: BigInt(block as string),
        }
        // What is not in the tree has no proof: that is an answer too.
        const proven = await committed.proveArtifact(asked).catch(() => null)
        if (proven === null) return { body: 'null' }
        const { root, sequenceNo, proof } = proven
        return { body: json({ root, sequenceNo, proof: toProofCalldata(proof) }) }
      },
    ],
    // What stands behind claims about plugins, by SHA-256.
    [
      /^\/evidence\/([\da-f]{64})\.json$/,
      async ([, hash]) => {
        const body = network.claimed.evidence.get(`0x${hash}`)
        return body === undefined ? { status: 404 } : { body }
      },
    ],
    // The application's own server asks the risk service, so that its key is in no page.
    [
      /^\/screening\/(0x[\da-f]{40})$/,
      async ([, address]) => {
        const asked = await fetch(`${risk.endpoint}/v1/addresses/${address}`, {
          headers: { 'x-api-key': apiKey },
        })
        return { status: asked.status, body: await asked.text() }
      },
    ],
    [
      /^\/forged\/([a-z-]+)$/,
      async ([, forgery], request) => {
        if (!isForgery(forgery as string)) return { status: 404 }
        const body = await readBody(request)
        return { body: await forge({ body, forgery: forgery as never }) }
      },
    ],
  ]
}

/** What the page is told. A page of one's own has it in its source. */
function configOf({ devnet, client, claimed }: Network): object {
  const { fromBlock, ...addresses } = devnet.contracts
  return {
    chainId: devnet.chain.id,
    rpcUrl: devnet.anvil.url,
    gatewayUrl: devnet.gatewayUrl,
    addresses,
    client,
    accounts: [1, 2].map((index) => devnet.account(index).account.address),
    recipients,
    // Whose documents are believed: the simulator's roots, by name. A page on a real network has AWS's.
    roots: devnet.operators.flatMap(({ roots }) => roots),
    operators: devnet.table.operators,
    ...{ fromBlock: Number(fromBlock), trust: claimed.trust },
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? member.toString() : member,
  )
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > 1_048_576) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
