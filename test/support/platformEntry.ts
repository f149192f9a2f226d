/**
 * What the platform tests bundle: the pipeline with the workers of one platform, run on requests
 * that crossed as JSON.
 */
import {
  createPluginRuntime,
  createSchemaValidator,
  operatorEngine,
  type PluginWorkers,
  type SimulatedPlugin,
  simulate,
} from '../../src/eval/index.js'

/** A request as JSON: bytes and integers as hex and text. */
export type PortableRequest = {
  rego: string
  params: Record<string, string | number>
  plugins: {
    wasm: string
    params: Record<string, string>
    secretsSchema?: string
    secrets?: Record<string, string>
  }[]
  wasmArgs: Record<string, string>
  intent: {
    from: string
    to: string
    value: string
    chainId: string
    functionSignature: string
    data: string
  }
}

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** Evaluates every request and gives what must be the same everywhere, as JSON. */
export async function evaluateAll(
  requests: readonly PortableRequest[],
  workers: PluginWorkers,
): Promise<string[]> {
  const plugins = createPluginRuntime({
    workers,
    http: { allowPrivate: true },
    limits: { time: 60_000, compileTime: 120_000 },
  })
  const tools = { engine: operatorEngine(), schemas: createSchemaValidator(), plugins }
  const results: string[] = []
  try {
    for (const request of requests) {
      const { intent } = request
      const evaluation = await simulate(
        {
          rego: new TextEncoder().encode(request.rego),
          params: request.params,
          paramsSchema: new TextEncoder().encode('{"type":"object"}'),
          plugins: request.plugins.map(
            ({ wasm, params, secretsSchema, secrets }): SimulatedPlugin => ({
              wasm: bytes(wasm),
              params,
              paramsSchema: new TextEncoder().encode('{"type":"object"}'),
              secretsSchema:
                secretsSchema === undefined ? undefined : new TextEncoder().encode(secretsSchema),
              secrets,
            }),
          ),
          wasmArgs: request.wasmArgs,
          intent: {
            ...(intent as unknown as Parameters<typeof simulate>[0]['intent']),
            value: BigInt(intent.value),
            chainId: BigInt(intent.chainId),
          },
          block: { number: 7n, hash: `0x${'0b'.repeat(32)}`, timestamp: 1_700_000_000n },
        },
        tools,
      )
      const { allow, reasons, response, outputs, digestPreimage, warnings } = evaluation
      const input = evaluation.transcript.map(({ input }) => input)
      results.push(
        JSON.stringify(
          { allow, reasons, response, outputs, digestPreimage, warnings, input },
          (_, value) => (typeof value === 'bigint' ? `${value}n` : value),
        ),
      )
    }
  } finally {
    plugins.close()
  }
  return results
}
