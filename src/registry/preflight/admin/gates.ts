/** Checks before signing of what owners and task generators write. */

import { type Address, getAddress, type Hex } from 'viem'
import * as EnclaveVersionRegistry from '../../../core/abi/enclaveVersionRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import type { WriteClient } from '../../chain/client.js'
import { failed, holds, type PreflightCheck, passed } from '../../chain/preflightCheck.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf, functionOf } from '../../chain/slices.js'

/** Checks that the sender owns a contract. */
export async function checkOwner(
  client: WriteClient,
  contract: Address,
): Promise<PreflightCheck[]> {
  const [owner] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [ownerCall(contract)],
  })
  return [ownerCheck(client, { contract, owner: valueFrom(owner) as Address })]
}

/** Checks the activation of a build, or its deprecation. */
export async function checkEnclaveVersion(
  client: WriteClient,
  parameters: { registry: Address; pcr0Hash: Hex; write: 'activate' | 'deprecate' },
): Promise<PreflightCheck[]> {
  const { registry, pcr0Hash, write } = parameters
  const sender = client.account.address
  const call = callsOf(registry)
  const [generator, found] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      call(EnclaveVersionRegistry.isTaskGenerator, [sender]),
      call(EnclaveVersionRegistry.getVersion, [pcr0Hash]),
    ],
  })
  // As deployed, the registry answers an empty version for a build it does not know.
  const read = valueFrom(found as ReadResult) as { activatedAt: bigint; deprecatedAt: bigint }
  const version = read.activatedAt === 0n ? null : read
  const may = valueFrom(generator) === true
  const checks = [
    holds('NotTaskGenerator', {
      ok: may,
      detail: `${sender} is ${may ? 'a' : 'no'} task generator`,
      fix: 'Send it from a task generator.',
    }),
  ]
  if (write === 'activate') {
    checks.push(
      holds('InvalidPcr0Hash', {
        ok: pcr0Hash !== ZERO_HASH,
        detail: `the build is ${pcr0Hash}`,
        fix: 'Zero names no build.',
      }),
      holds('VersionAlreadyRegistered', {
        ok: version === null,
        detail: version === null ? 'not activated before' : 'it was activated before',
        fix: 'A build is activated once; release another build.',
      }),
    )
    return checks
  }
  if (version === null) {
    checks.push(
      failed('VersionNotRegistered', `${pcr0Hash} was never activated`, 'Check the build’s hash.'),
    )
    return checks
  }
  checks.push(
    passed('VersionNotRegistered', 'it was activated'),
    holds('VersionAlreadyDeprecated', {
      ok: version.deprecatedAt === 0n,
      detail:
        version.deprecatedAt === 0n ? 'it is active' : `deprecated in ${version.deprecatedAt}`,
      fix: 'Nothing to do.',
    }),
  )
  return checks
}

/** A read of a contract’s owner. */
export function ownerCall(contract: Address): ReadCall {
  // Every contract here has the same `owner()`.
  return { address: contract, ...functionOf(PolicyRegistry.owner) }
}

/** Checks that the sender owns a contract. */
export function ownerCheck(
  client: WriteClient,
  { contract, owner }: { contract: Address; owner: Address },
): PreflightCheck {
  const sender = getAddress(client.account.address)
  const ok = getAddress(owner) === sender
  return holds('OwnableUnauthorizedAccount', {
    ok,
    detail: ok ? `${sender} owns ${contract}` : `${sender} is not the owner ${owner}`,
    fix: `Send it from ${owner}.`,
  })
}
