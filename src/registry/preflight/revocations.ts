/** Checks before signing of revocations. */

import { type Address, getAddress, type Hex } from 'viem'
import * as PolicyClientRegistry from '../../core/abi/policyClientRegistryAbi.js'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import type { WriteClient } from '../chain/client.js'
import { failed, holds, type PreflightCheck, passed, warning } from '../chain/preflightCheck.js'
import { type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf, functionOf } from '../chain/slices.js'
import { valueOrNull } from '../rows/rows.js'

/** Checks the revocation of one task, or of all reference blocks up to one. */
export async function checkRevocation(
  client: WriteClient,
  parameters: {
    responseRegistry: Address
    policyClient: Address
    taskId?: Hex | undefined
    blockNumber?: bigint | undefined
  },
): Promise<PreflightCheck[]> {
  const { responseRegistry, policyClient, taskId, blockNumber } = parameters
  const block = await readTag(client, 'latest')
  const own = callsOf(responseRegistry)
  const reads = [
    own(ResponseRegistry.clientRegistry),
    own(ResponseRegistry.revokedBefore, [policyClient]),
  ]
  if (taskId !== undefined) {
    reads.push(
      own(ResponseRegistry.isRevoked, [policyClient, taskId]),
      own(ResponseRegistry.getResponse, [taskId]),
    )
  }
  const [registry, revokedUpTo, revoked, response] = (
    await readAt(client, { block, calls: reads })
  ).map(valueFrom) as [Address, bigint, boolean?, { consumed: boolean }?]
  const checks = [await revokerCheck(client, { registry, policyClient })]
  if (blockNumber !== undefined) {
    checks.push(
      holds('RevocationInFuture', {
        ok: blockNumber <= block.number,
        detail: `up to block ${blockNumber}, the newest is ${block.number}`,
        fix: `Revoke up to block ${block.number}, and again when later ones are there.`,
      }),
      holds('RevocationLowered', {
        ok: blockNumber >= revokedUpTo,
        detail: `up to block ${blockNumber}, revoked so far up to ${revokedUpTo}`,
        fix: 'Nothing to do: what was revoked stays revoked.',
      }),
    )
  }
  if (revoked === true) {
    checks.push(warning('TaskRevoked', 'the task is revoked already', 'Nothing to do.'))
  }
  if (response?.consumed === true) {
    checks.push(
      warning(
        'AlreadyConsumed',
        'the response of the task was used',
        'It is too late to revoke it.',
      ),
    )
  }
  return checks
}

/** Whether a client revoked a response, by its task or by its reference block. */
export function revocationChecks(
  response: PolicyTaskResponse,
  { revoked, revokedUpTo }: { revoked: boolean; revokedUpTo: bigint },
): PreflightCheck[] {
  return [
    holds('TaskRevoked', {
      ok: !revoked,
      detail: `the client ${revoked ? 'revoked' : 'did not revoke'} the task`,
      fix: 'Have it evaluated again as a new task, if the client’s owner wants it.',
    }),
    holds('ReferenceBlockRevoked', {
      ok: revokedUpTo === 0n || response.referenceBlock > revokedUpTo,
      detail: `the reference block is ${response.referenceBlock}, revoked up to ${revokedUpTo}`,
      fix: 'Have the task evaluated again at a newer block.',
    }),
  ]
}

/** The client revokes for itself, registered or not; anyone else has to own it. */
async function revokerCheck(
  client: WriteClient,
  { registry, policyClient }: { registry: Address; policyClient: Address },
): Promise<PreflightCheck> {
  const sender = getAddress(client.account.address)
  if (sender === policyClient) return passed('NotClientOwner', `${sender} is the client itself`)
  const [result] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      {
        address: registry,
        ...functionOf(PolicyClientRegistry.getClientRecord),
        args: [policyClient],
      },
    ],
  })
  const record = valueOrNull(result as ReadResult, 'ClientNotRegistered') as {
    owner: Address
  } | null
  if (record === null) {
    return failed(
      'ClientNotRegistered',
      `${policyClient} is not registered`,
      'Only the client itself can revoke while it is not registered.',
    )
  }
  const owner = getAddress(record.owner)
  return holds('NotClientOwner', {
    ok: owner === sender,
    detail: owner === sender ? `${sender} owns the client` : `${sender} is not the owner ${owner}`,
    fix: `Send it from ${owner}, or from the client.`,
  })
}
