/** Checks before signing of what owners, task generators and operators write. */
import { type Abi, type Address, getAddress, type Hex } from 'viem'
import { bn254CertificateVerifierAbi } from '../../core/abi/bn254CertificateVerifierAbi.js'
import { enclaveVersionRegistryAbi } from '../../core/abi/enclaveVersionRegistryAbi.js'
import { policyRegistryAbi } from '../../core/abi/policyRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import type { WriteClient } from '../chain/client.js'
import { failed, holds, type PreflightCheck, passed, warning } from '../chain/preflightCheck.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'

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
  const call = (functionName: string, args: readonly unknown[]): ReadCall => ({
    address: registry,
    abi: enclaveVersionRegistryAbi as Abi,
    functionName,
    args,
  })
  const [generator, found] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [call('isTaskGenerator', [sender]), call('getVersion', [pcr0Hash])],
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

/** Checks who registers an operator's key: the operator itself, or the verifier's owner. */
export async function checkOperatorKey(
  client: WriteClient,
  parameters: { verifier: Address; operator: Address },
): Promise<PreflightCheck[]> {
  const { verifier, operator } = parameters
  const sender = getAddress(client.account.address)
  const [owner] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [ownerCall(verifier)],
  })
  const held = getAddress(valueFrom(owner) as Address)
  return [
    holds('NotOperator', {
      ok: sender === getAddress(operator) || sender === held,
      detail: `the sender is ${sender}, the operator ${operator}, the verifier’s owner ${held}`,
      fix: `Send it from ${operator}.`,
    }),
  ]
}

/** Checks a table of operators: who sends it, its order, its time, and that every key is known. */
export async function checkOperatorTable(
  client: WriteClient,
  parameters: {
    verifier: Address
    referenceTimestamp: number
    operators: readonly Address[]
    weights: readonly (readonly bigint[])[]
  },
): Promise<PreflightCheck[]> {
  const { verifier, referenceTimestamp, operators, weights } = parameters
  const abi = bn254CertificateVerifierAbi as Abi
  const block = await readTag(client, 'latest')
  const [owner, set, ...keys] = await readAt(client, {
    block,
    calls: [
      ownerCall(verifier),
      { address: verifier, abi, functionName: 'operatorSet' },
      ...operators.map((operator) => ({
        address: verifier,
        abi,
        functionName: 'operatorKey',
        args: [operator],
      })),
    ],
  })
  const [last] = await readAt(client, {
    block,
    calls: [
      { address: verifier, abi, functionName: 'latestReferenceTimestamp', args: [valueFrom(set)] },
    ],
  })
  const unsorted = operators.findIndex(
    (operator, index) => index > 0 && BigInt(operator) <= BigInt(operators[index - 1] as Address),
  )
  const keyless = operators.filter((_, index) => {
    const { X, Y } = valueFrom(keys[index]) as { X: bigint; Y: bigint }
    return X === 0n && Y === 0n
  })
  const latest = valueFrom(last) as number
  return [
    ownerCheck(client, { contract: verifier, owner: valueFrom(owner) as Address }),
    holds('TableUpdateStale', {
      ok: referenceTimestamp > latest,
      detail: `its timestamp is ${referenceTimestamp}, the last table’s ${latest}`,
      fix: 'Name a later time.',
    }),
    // The next block is later than the newest one: only the contract knows by how much.
    referenceTimestamp <= Number(block.timestamp)
      ? passed('ReferenceTimestampInFuture', 'its timestamp is not in the future')
      : warning(
          'ReferenceTimestampInFuture',
          `its timestamp is ${referenceTimestamp - Number(block.timestamp)} s ahead of the newest block`,
          'Wait for a block with a later timestamp.',
        ),
    holds('InvalidOperatorCount', {
      ok: operators.length > 0,
      detail: `${operators.length} operators`,
      fix: 'Name at least one operator.',
    }),
    holds('ArrayLengthMismatch', {
      ok: operators.length === weights.length,
      detail: `${operators.length} operators, ${weights.length} lists of weights`,
      fix: 'Give each operator one list of weights.',
    }),
    holds('OperatorsNotSorted', {
      ok: unsorted === -1,
      detail: unsorted === -1 ? 'strictly ascending' : `operator ${unsorted} is out of order`,
      fix: 'Sort the operators by address, each once.',
    }),
    holds('OperatorKeyMissing', {
      ok: keyless.length === 0,
      detail: keyless.length === 0 ? 'every key is known' : `no key of ${keyless.join(', ')}`,
      fix: 'Register the operators’ keys first.',
    }),
  ]
}

function ownerCall(contract: Address): ReadCall {
  // Every contract here has the same `owner()`.
  return { address: contract, abi: policyRegistryAbi as Abi, functionName: 'owner' }
}

function ownerCheck(
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
