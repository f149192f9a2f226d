/** Whether the plugins of a policy were rebuilt from source, before any of them runs. */
import type { Hex } from 'viem'
import type { PluginProvenance, ProvenanceVerdict } from '../../core/interfaces/provenance.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { UnverifiedWasmError } from '../errors.js'

/** Who says where plugins come from, and whether an evaluation without a good answer may run. */
export type WasmProvenance = {
  /** Verdicts of a reader with a trust policy, such as `indexedProvenance`. */
  provenance?: PluginProvenance | undefined
  /** Refuses a policy of which one plugin is not `verified`. Needs `provenance`. @default false */
  requireVerifiedWasm?: boolean | undefined
}

/**
 * Asks for each plugin once.
 *
 * @returns A warning for each plugin that is not verified; none where there is nobody to ask.
 * @throws {UnverifiedWasmError} for the first of them, where verification is required.
 * @throws Whatever the provenance throws: an answer that cannot be had is none, and nothing runs.
 */
export async function checkWasmProvenance(
  wasmHashes: readonly Hex[],
  { provenance, requireVerifiedWasm = false }: WasmProvenance,
  options: IoOptions,
): Promise<string[]> {
  if (typeof requireVerifiedWasm !== 'boolean') {
    throw new InvalidInputError({
      field: 'requireVerifiedWasm',
      reason: 'expected true or false',
    })
  }
  if (provenance === undefined) {
    if (!requireVerifiedWasm) return []
    throw new InvalidInputError({
      field: 'tools.provenance',
      reason: 'verified plugins are required and there is nobody to ask about them',
      hint: 'Pass indexedProvenance({ index, policy, follower }) of `@newton/policy-sdk/provenance`.',
    })
  }
  const verdicts = await Promise.all(
    [...new Set(wasmHashes)].map(async (wasmHash) => ({
      wasmHash,
      verdict: await provenance.getProvenance(wasmHash, options),
    })),
  )
  const unverified = verdicts.filter(
    // A verdict about another plugin says nothing of this one.
    ({ wasmHash, verdict }) => verdict?.status !== 'verified' || verdict.wasmHash !== wasmHash,
  )
  const [first] = unverified
  if (requireVerifiedWasm && first !== undefined) {
    throw new UnverifiedWasmError({ ...first, ...told(first.verdict) })
  }
  return unverified.map(({ wasmHash, verdict }) => {
    const { status, reason } = told(verdict)
    return `plugin ${wasmHash} is ${status}${reason === undefined ? '' : `: ${reason}`}`
  })
}

const statuses: readonly string[] = ['disputed', 'mismatched', 'unverified']

function told(verdict: ProvenanceVerdict | undefined): { status: string; reason?: string } {
  const { status = 'unverified', reason } = verdict ?? {}
  if (!statuses.includes(status)) return { status: 'unverified' }
  return { status, ...(reason === undefined ? {} : { reason }) }
}
