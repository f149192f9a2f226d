/**
 * What tasks of one block ask of the chain alike, asked once. An answer at a block changes only where the
 * chain is reorganized, and is then as old as the node's own last look at it.
 */

import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { createRecall } from '../../internal/singleFlight.js'
import type { OperatorTables, TableInForce } from './tables.js'

/** How long an answer is given again. */
export type RecallOptions = {
  /** Milliseconds: those between two looks at the chain. */
  life: number
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/** Tables by block. That none is in force yet is asked again. */
export function recalledTables(tables: OperatorTables, options: RecallOptions): OperatorTables {
  const recall = createRecall<TableInForce | null>({
    ...{ ...options, operation: 'operator table', keep: (table) => table !== null },
  })
  return {
    tableAt: (block, io = {}) => recall(`${block}`, io, (own) => tables.tableAt(block, own)),
  }
}

/** A reader that asks once whether a build was whitelisted at a block. That it was not is asked again. */
export function recalledBuilds(registry: RegistryReader, options: RecallOptions): RegistryReader {
  const recall = createRecall<boolean>({
    ...{ ...options, operation: 'enclave build', keep: (whitelisted) => whitelisted === true },
  })
  return {
    ...registry,
    isEnclaveWhitelistedAt: (request, io = {}) =>
      recall(`${request.pcr0Commitment} ${request.block}`, io, (own) =>
        registry.isEnclaveWhitelistedAt(request, own),
      ),
  }
}
