/** Checks before signing of the writes on clients. */

import { type Abi, type Address, getAddress, parseAbi, zeroAddress } from 'viem'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import type { WriteClient } from '../chain/client.js'
import {
  ContractNotFoundError,
  ContractRevertError,
  MalformedReturnDataError,
} from '../chain/errors.js'
import { failed, holds, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import { functionOf } from '../chain/slices.js'
import { clientRecord, clientRecordCall } from '../rows/rows.js'

/** ERC-165 id of `INewtonPolicyClient`. */
const POLICY_CLIENT_INTERFACE = '0x52e18a74'

const policyClientAbi: Abi = parseAbi([
  'function supportsInterface(bytes4 id) view returns (bool)',
  'function getOwner() view returns (address)',
])

/** Checks the registration of a client. */
export async function checkRegisterClient(
  client: WriteClient,
  parameters: { registry: Address; policyClient: Address },
): Promise<PreflightCheck[]> {
  const { registry, policyClient } = parameters
  const block = await readTag(client, 'latest')
  const [record] = await readAt(client, {
    block,
    calls: [clientRecordCall(registry, policyClient)],
  })
  const known = clientRecord(record as ReadResult) !== null
  const checks = [
    holds('ClientAlreadyRegistered', {
      ok: !known,
      detail: known ? `${policyClient} is registered` : `${policyClient} is not registered yet`,
      fix: 'Nothing to do; `activateClient` takes one back that was deactivated.',
    }),
  ]
  const call = (functionName: string, args: readonly unknown[] = []): ReadCall => ({
    address: policyClient,
    abi: policyClientAbi,
    functionName,
    args,
  })
  let answers: readonly unknown[]
  try {
    const results = await readAt(client, {
      block,
      calls: [
        call('supportsInterface', ['0x01ffc9a7']),
        call('supportsInterface', ['0xffffffff']),
        call('supportsInterface', [POLICY_CLIENT_INTERFACE]),
        call('getOwner'),
      ],
    })
    answers = results.map(valueFrom)
  } catch (error) {
    const foreign =
      error instanceof ContractRevertError ||
      error instanceof ContractNotFoundError ||
      error instanceof MalformedReturnDataError
    if (!foreign) throw error
    checks.push(notClient(policyClient))
    return checks
  }
  const [erc165, invalid, policy, owner] = answers
  if (erc165 !== true || invalid !== false || policy !== true) {
    checks.push(notClient(policyClient))
    return checks
  }
  checks.push(
    passed('NotPolicyClient', `${policyClient} implements INewtonPolicyClient`),
    ownerCheck(client, { policyClient, owner: owner as Address }),
  )
  return checks
}

/** Checks a write on a registered client that only its owner makes. */
export async function checkOwnedClient(
  client: WriteClient,
  parameters: {
    registry: Address
    policyClient: Address
    /** Whether the client has to be active, or has not to be; left out where it does not matter. */
    active?: boolean | undefined
    /** The next owner, where there is to be one. */
    newOwner?: Address | undefined
  },
): Promise<PreflightCheck[]> {
  const { registry, policyClient, active, newOwner } = parameters
  const [result] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [clientRecordCall(registry, policyClient)],
  })
  const record = clientRecord(result as ReadResult)
  if (record === null) return [unregistered(policyClient)]
  const checks = [
    passed('ClientNotRegistered', `${policyClient} is registered`),
    ownerCheck(client, { policyClient, owner: record.owner }),
  ]
  // The contract names these two states by the errors of registration.
  if (active === true && !record.active) {
    checks[0] = failed('ClientNotRegistered', `${policyClient} is not active`, 'Nothing to do.')
  }
  if (newOwner !== undefined) {
    checks.push(
      holds('InvalidOwnerAddress', {
        ok: newOwner !== zeroAddress,
        detail: `the next owner is ${newOwner}`,
        fix: 'Zero owns nothing: name another account.',
      }),
    )
  }
  if (active === false) {
    checks.push(
      holds('ClientAlreadyRegistered', {
        ok: !record.active,
        detail: `${policyClient} is ${record.active ? 'active' : 'not active'}`,
        fix: 'Nothing to do.',
      }),
    )
  }
  return checks
}

/** Whether a client is registered and active, and who owns it. */
export function activeClientCheck(
  result: ReadResult,
  client: Address,
): { check: PreflightCheck; owner?: Address | undefined } {
  const record = clientRecord(result)
  if (record === null) return { check: unregistered(client) }
  const owner = getAddress(record.owner)
  return {
    owner,
    check: holds('ClientNotRegistered', {
      ok: record.active,
      detail: `${client} is ${record.active ? 'registered and active' : 'not active'}`,
      fix: 'Its owner calls activateClient.',
    }),
  }
}

/** Checks that the sender may say whether superseded instances are accepted for a client. */
export async function checkAcceptSuperseded(
  client: WriteClient,
  parameters: { responseRegistry: Address; policyClient: Address },
): Promise<PreflightCheck[]> {
  const { responseRegistry, policyClient } = parameters
  const [registry] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      {
        address: responseRegistry,
        ...functionOf(ResponseRegistry.clientRegistry),
      },
    ],
  })
  return checkOwnedClient(client, { registry: valueFrom(registry) as Address, policyClient })
}

function unregistered(policyClient: Address): PreflightCheck {
  return failed(
    'ClientNotRegistered',
    `${policyClient} is not registered`,
    'Its owner calls registerClient first.',
  )
}

function notClient(policyClient: Address): PreflightCheck {
  return failed(
    'NotPolicyClient',
    `${policyClient} does not implement INewtonPolicyClient`,
    `Inherit PolicyGuard, or answer \`supportsInterface(${POLICY_CLIENT_INTERFACE})\`.`,
  )
}

function ownerCheck(
  client: WriteClient,
  { policyClient, owner }: { policyClient: Address; owner: Address },
): PreflightCheck {
  const sender = getAddress(client.account.address)
  const ok = getAddress(owner) === sender
  return holds('NotClientOwner', {
    ok,
    detail: ok ? `${sender} owns ${policyClient}` : `${sender} is not the owner ${owner}`,
    fix: `Send it from ${owner}.`,
  })
}
