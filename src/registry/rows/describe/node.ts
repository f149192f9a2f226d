/** What a description is made of. */
import type { Address, Hex } from 'viem'
import type { PluginProvenance } from '../../../core/interfaces/provenance.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import type { CommittedArtifacts } from '../../../core/interfaces/secretsOpener.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { OffchainChecks } from '../offchain.js'

/** State of a node. `unavailable`: it could not be found out. `disputed`: somebody believed denies it. */
export type NodeStatus = 'ok' | 'missing' | 'pending' | 'stale' | 'disputed' | 'unavailable'

/** What a node stands for. */
export type NodeKind =
  | 'client'
  | 'policySlot'
  | 'policyInstance'
  | 'policyTemplate'
  | 'policyDataSlot'
  | 'policyDataInstance'
  | 'policyDataTemplate'
  | 'secrets'
  | 'artifact'
  | 'provenance'

/** One node of the graph. */
export type DescribeNode = {
  kind: NodeKind
  /** Its id, hash or address; `null` where there is none yet. */
  id: Hex | null
  /** What it is, for people. */
  label: string
  status: NodeStatus
  detail: string
  /** The command that would change it, where one would. */
  next?: string | undefined
  children: readonly DescribeNode[]
}

/** What to describe: one of the three. */
export type DescribeTarget =
  | { policyInstance: Hex; policyTemplate?: undefined; client?: undefined }
  | { policyTemplate: Hex; policyInstance?: undefined; client?: undefined }
  | { client: Address; policyInstance?: undefined; policyTemplate?: undefined }

/** Parameters of {@link describePolicy}. */
export type DescribeParameters = DescribeTarget & {
  reader: RegistryReader
  /** What else is asked. Whatever is left out shows as `unavailable`. */
  checks?:
    | (OffchainChecks & {
        committed?: CommittedArtifacts | undefined
        /** Who says from which source plugins were built. Left out, it is not shown. */
        provenance?: PluginProvenance | undefined
      })
    | undefined
}

/** What all nodes of one description are read with. */
export type DescribeContext = {
  reader: RegistryReader
  checks: NonNullable<DescribeParameters['checks']>
  options: IoOptions
  block: bigint
}
