/** What a command verifies an attestation from: the chain and the store, never who answered. */
import type { AttestationReader } from '../../attestation/index.js'
import { createResultReplayer, operatorEngine } from '../../eval/index.js'
import { createCertificateReader, createRegistryReader } from '../../registry/index.js'
import type { Terminal } from '../terminal/output.js'
import { cacheOf, requireDa } from './artifactStore.js'
import type { ChainTarget } from './chain.js'

/** Arguments of `daArgs`, as a command has them. */
export type StoreArgs = { da?: string | undefined }

/** A reader for every level, `result` included. */
export async function attestationReaderOf(
  terminal: Terminal,
  { args, target, signal }: { args: StoreArgs; target: ChainTarget; signal: AbortSignal },
): Promise<AttestationReader & Required<Pick<AttestationReader, 'artifacts' | 'certificates'>>> {
  const { client, addresses, profile } = target
  const artifacts = cacheOf(requireDa(terminal, { args, profile }))
  const { memory } = artifacts
  const [registry, certificates] = await Promise.all([
    createRegistryReader({ client, addresses, memory }, { signal }),
    createCertificateReader({ client, addresses }, { signal }),
  ])
  return {
    ...{ registry, certificates, artifacts },
    replayer: createResultReplayer({ engine: operatorEngine(), memory }),
  }
}
