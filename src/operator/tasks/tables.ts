/** Operator tables with both keys, as they are in force at a block. */
import type { Bn254Backend, OperatorTable } from '../../core/bn254/index.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'

/** The table in force at a block. */
export type TableInForce = {
  referenceTimestamp: number
  /** Hundredths of a percent that a certificate needs of every strategy. */
  quorumBps: number
  table: OperatorTable
  /** Where pairings with it are computed. @default nobleBackend */
  backend?: Bn254Backend | undefined
}

/** Gives tables. `null`: none is in force yet, or the one that is is not known. */
export interface OperatorTables {
  tableAt(block: bigint, options?: IoOptions): Promise<TableInForce | null>
}

/**
 * Tables that are known by configuration, used only where the chain has the same one in force: its
 * root, its size and its weights.
 */
export function knownTables(parameters: {
  certificates: CertificateReader
  tables: readonly OperatorTable[]
}): OperatorTables {
  assertMembers('parameters', parameters, ['certificates', 'tables'])
  assertOptions(parameters, { certificates: 'object', tables: 'list' }, { field: 'parameters' })
  return {
    async tableAt(block, options) {
      const inForce = await parameters.certificates.tableAt(block, options)
      if (inForce === null) return null
      const { referenceTimestamp, quorumBps } = inForce
      const { operatorInfoTreeRoot, numOperators } = inForce.table
      const table = parameters.tables.find(
        ({ info }) =>
          info.operatorInfoTreeRoot.toLowerCase() === operatorInfoTreeRoot.toLowerCase() &&
          BigInt(info.numOperators) === BigInt(numOperators),
      )
      return table === undefined ? null : { referenceTimestamp, quorumBps, table }
    },
  }
}

/** Tables that are remembered: one is in force at a time, and older ones for open challenges. */
const KEPT_TABLES = 8

/**
 * The tables that the chain has, each read once: tables never change.
 *
 * @param parameters.read - Reads one by the timestamp that names it, as `readFullOperatorTable` does.
 */
export function chainTables(parameters: {
  certificates: CertificateReader
  read: (referenceTimestamp: number, options?: IoOptions) => Promise<OperatorTable>
  /** Computes pairings: such as `mclBackend()`, several times as fast. @default nobleBackend */
  backend?: Bn254Backend | undefined
}): OperatorTables {
  assertMembers('parameters', parameters, ['certificates', 'read'])
  assertOptions(
    parameters,
    { certificates: 'object', read: 'function', backend: 'object' },
    { field: 'parameters' },
  )
  const { backend } = parameters
  const tables = new Map<number, Promise<OperatorTable>>()
  const tableOf = (timestamp: number): Promise<OperatorTable> => {
    const known = tables.get(timestamp)
    if (known !== undefined) return known
    // Whoever asks first may give up; the others still wait for it.
    const reading = parameters.read(timestamp)
    tables.set(timestamp, reading)
    reading.catch(() => tables.delete(timestamp))
    for (const oldest of tables.keys()) {
      if (tables.size <= KEPT_TABLES) break
      tables.delete(oldest)
    }
    return reading
  }
  return {
    async tableAt(block, options) {
      const inForce = await parameters.certificates.tableAt(block, options)
      if (inForce === null) return null
      const { referenceTimestamp, quorumBps } = inForce
      const table = await tableOf(referenceTimestamp)
      return { referenceTimestamp, quorumBps, table, backend }
    },
  }
}

/** Whether weights reach a share of the whole in every strategy. Empty weights never do. */
export function reaches(
  weights: readonly bigint[],
  { total, bps }: { total: readonly bigint[]; bps: number },
): boolean {
  return (
    total.length > 0 &&
    total.every((whole, strategy) => (weights[strategy] ?? 0n) * 10_000n >= whole * BigInt(bps))
  )
}

/** The sum of the weights of operators, given by index. */
export function weightOf(table: OperatorTable, indices: Iterable<number>): readonly bigint[] {
  const sum = table.info.totalWeights.map(() => 0n)
  for (const index of indices) {
    for (const [strategy, weight] of (table.operators[index]?.weights ?? []).entries()) {
      sum[strategy] = (sum[strategy] ?? 0n) + weight
    }
  }
  return sum
}
