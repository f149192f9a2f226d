/** A devnet's gateway, behind a socket. */
import type { Hex } from 'viem'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { ResponseSink } from '../../core/interfaces/sinks.js'
import {
  anyCaller,
  createGateway,
  type LedgerRecorder,
  memoryGatewayStore,
  type OperatorClient,
  type OperatorTables,
  watchGateway,
} from '../../operator/index.js'
import { listenGateway } from '../../operator/node/index.js'

/** Starts a gateway that takes any caller, and returns its endpoint. */
export async function startGateway({
  closers,
  ...parameters
}: {
  registry: RegistryReader
  tables: OperatorTables
  operators: readonly OperatorClient[]
  pcr0Commitment: Hex
  /** Lands answers, by the gateway's own account. */
  sink: ResponseSink
  closers: (() => Promise<void>)[]
  ledger?: LedgerRecorder | undefined
}): Promise<string> {
  const store = memoryGatewayStore()
  const { registry } = parameters
  const watch = watchGateway({
    ...{ store, registry },
    operators: parameters.operators.map(({ operator }) => operator),
  })
  const gateway = createGateway({
    ...parameters,
    ...{ store, onEvent: watch.onEvent },
    callers: anyCaller(),
    landingInterval: 100,
    // On a chain that mines nothing by itself, what is accepted must not name the newest block.
    referenceDelay: 1n,
  })
  const { metrics, ready } = watch
  const server = await listenGateway({ gateway, metrics, ready })
  closers.push(async () => {
    await gateway.close()
    await server.close(1_000)
  })
  return `${server.url}/rpc`
}
