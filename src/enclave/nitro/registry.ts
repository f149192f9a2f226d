import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import { NitroAttestationError } from './errors.js'
import type { MeasurementRegistry } from './policy.js'

/** `keccak256` of 48 zero bytes: an enclave in debug mode, whatever a registry says about it. */
const debugCommitment = '0xc980e59163ce244bb4bb6211f48c7b46f88a4f40943e84eb99bdc41e129bd293'
const unset = `0x${'00'.repeat(32)}`

/**
 * Checks the measurement against the registry at the block that matters.
 *
 * An answer that cannot be had is a refusal, marked retryable.
 */
export async function assertRegistry(
  document: { pcr0Commitment: Hex; rootHash: Hex },
  registry: { reader: MeasurementRegistry; block: bigint | 'latest' } | undefined,
  signal: AbortSignal,
): Promise<{ block: bigint; activeNow: boolean } | undefined> {
  if (registry === undefined) return undefined
  const { pcr0Commitment, rootHash } = document
  if (pcr0Commitment === debugCommitment) {
    throw new NitroAttestationError({ code: 'DEBUG_MODE', stage: 'registry' })
  }
  const { reader } = registry
  const options: IoOptions = { signal }
  const [latest, named] = await ask(async () => {
    const { number } = await reader.getLatestBlock(options)
    return [number, await reader.getRootCertHash?.(options)] as const
  })
  const block = registry.block === 'latest' ? latest : registry.block
  if (typeof latest !== 'bigint' || block > latest) {
    throw new NitroAttestationError({
      code: 'REGISTRY_UNAVAILABLE',
      stage: 'registry',
      details: `block ${block} is after the latest block ${latest}`,
    })
  }
  // Zero is "not set", which leaves the pinned root; it is never "no check".
  if (named !== undefined && named !== unset && named.toLowerCase() !== rootHash) {
    throw new NitroAttestationError({
      code: 'REGISTRY_ROOT',
      stage: 'registry',
      details: `it names ${named}`,
    })
  }
  const activeThen = await ask(() =>
    reader.isEnclaveWhitelistedAt({ pcr0Commitment, block }, options),
  )
  if (activeThen !== true) {
    throw new NitroAttestationError({
      code: 'REGISTRY_INACTIVE',
      stage: 'registry',
      details: `${pcr0Commitment} at block ${block}`,
    })
  }
  const activeNow =
    block === latest ||
    (await ask(() => reader.isEnclaveWhitelistedAt({ pcr0Commitment, block: latest }, options))) ===
      true
  return { block, activeNow }
}

async function ask<value>(read: () => Promise<value>): Promise<value> {
  try {
    return await read()
  } catch (cause) {
    throw new NitroAttestationError({ code: 'REGISTRY_UNAVAILABLE', stage: 'registry' }, { cause })
  }
}
