/** Checks before signing of what owners announce: verifiers and upgrades. */
import type { AbiFunction } from 'viem'
import { type Address, getAddress, type Hex, keccak256, zeroAddress } from 'viem'
import { getCode } from 'viem/actions'
import * as ChallengeVerifier from '../../../core/abi/challengeVerifierAbi.js'
import { request, type WriteClient } from '../../chain/client.js'
import { failed, holds, type PreflightCheck, passed, warning } from '../../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf } from '../../chain/slices.js'

/** Checks that a verifier to be announced is a contract. */
export async function checkVerifierCode(
  client: WriteClient,
  { verifier }: { verifier: Address },
): Promise<PreflightCheck[]> {
  if (verifier === zeroAddress) return [passed('VerifierWithoutCode', 'none is announced')]
  const ok = await hasCode(client, verifier)
  return [
    holds('VerifierWithoutCode', {
      ok,
      detail: `${verifier} has ${ok ? '' : 'no '}code`,
      fix: 'Deploy the verifier on this chain first, or pass the zero address for none.',
    }),
  ]
}

/** Checks that a verifier is announced, so that there is something to withdraw. */
export async function checkAnnounced(
  client: WriteClient,
  { address, kind }: { address: Address; kind: number },
): Promise<PreflightCheck[]> {
  const [pending] = await readVerifiers(client, address, [
    [ChallengeVerifier.pendingVerifier, [kind]],
  ])
  const [verifier, fromBlock, announced] = pending as [Address, bigint, boolean]
  return [
    holds('NothingAnnounced', {
      ok: announced,
      detail: announced ? `${verifier} is announced for block ${fromBlock}` : 'none is announced',
      fix: 'Nothing to do. What is in force already is replaced by another announcement.',
    }),
  ]
}

/** Checks a suspension: whose it is, its length, and that it is the first. */
export async function checkSuspension(
  client: WriteClient,
  parameters: { address: Address; kind: number; blocks: bigint; acceptedAt?: bigint | undefined },
): Promise<PreflightCheck[]> {
  const { address, kind, blocks } = parameters
  const next = (await readTag(client, 'latest')).number + 1n
  const { acceptedAt = next } = parameters
  const [verifier, most] = (await readVerifiers(client, address, [
    [ChallengeVerifier.verifierAt, [kind, acceptedAt]],
    [ChallengeVerifier.challengeWindow],
  ])) as [Address, bigint]
  if (verifier === zeroAddress || acceptedAt > next) {
    return [failed('VerifierNotSet', 'none was in force then', 'There is nothing to suspend.')]
  }
  const [found] = await readVerifiers(client, address, [
    [ChallengeVerifier.suspensionOf, [kind, verifier]],
  ])
  const { fromBlock } = found as { fromBlock: bigint }
  return [
    passed('VerifierNotSet', `${verifier} judges what was accepted at block ${acceptedAt}`),
    holds('InvalidSuspension', {
      ok: blocks > 0n && blocks <= most,
      detail: `for ${blocks} blocks, at most ${most}`,
      fix: `Suspend it for ${most} blocks or less, and announce another verifier meanwhile.`,
    }),
    holds('SuspendedBefore', {
      ok: fromBlock === 0n,
      detail: fromBlock === 0n ? 'it never rested' : `it rested from block ${fromBlock} on`,
      fix: 'A verifier rests once. Announce another.',
    }),
  ]
}

/** Checks that an implementation to be announced is a contract. */
export async function checkImplementation(
  client: WriteClient,
  { implementation }: { implementation: Address },
): Promise<PreflightCheck[]> {
  const ok = await hasCode(client, implementation)
  return [
    ok
      ? passed('ERC1967InvalidImplementation', `${implementation} has code`)
      : warning(
          'ERC1967InvalidImplementation',
          `${implementation} has no code of its own yet`,
          'Deploy it first: only code that was there when it was announced is ever applied.',
        ),
  ]
}

/** Checks that an upgrade is announced, as it is given, and that its time has come. */
export async function checkUpgrade(
  client: WriteClient,
  parameters: { address: Address; implementation: Address; data: Hex },
): Promise<PreflightCheck[]> {
  const { address, implementation, data } = parameters
  const [pending, lapsesAt] = await readVerifiers(client, address, [
    [ChallengeVerifier.pendingUpgrade],
    [ChallengeVerifier.upgradeLapsesAt],
  ])
  const { readyAt, ...found } = pending as {
    implementation: Address
    readyAt: bigint
    dataHash: Hex
  }
  const ok =
    getAddress(found.implementation) === implementation && found.dataHash === keccak256(data)
  const checks = [
    holds('UpgradeNotScheduled', {
      ok,
      detail:
        found.implementation === zeroAddress
          ? 'no upgrade is announced'
          : `announced is ${found.implementation} with a call that hashes to ${found.dataHash}`,
      fix: 'Announce it with `scheduleUpgrade`, with the very call that is made with it.',
    }),
  ]
  if (!ok) return checks
  const next = (await readTag(client, 'latest')).number + 1n
  return [
    ...checks,
    holds('ImplementationChanged', {
      ok: await hasCode(client, implementation),
      detail: `the code at ${implementation} has to be what it was when it was announced`,
      fix: 'Announce it again, with its code in place.',
    }),
    holds('UpgradeNotReady', {
      ok: next >= readyAt,
      detail: `it may be applied from block ${readyAt} on, the next block is ${next}`,
      fix: 'Wait for that block; of the challenge verifier also for the longest suspension.',
    }),
    holds('UpgradeLapsed', {
      ok: next <= (lapsesAt as bigint),
      detail: `it lapses after block ${lapsesAt}, the next block is ${next}`,
      fix: 'Announce it anew.',
    }),
  ]
}

/** An account that delegates to a contract (EIP-7702) has none of its own. */
async function hasCode(client: WriteClient, address: Address): Promise<boolean> {
  const code = await request(`code of ${address}`, () => getCode(client, { address }))
  return code !== undefined && code !== '0x' && !code.startsWith('0xef')
}

async function readVerifiers(
  client: WriteClient,
  address: Address,
  reads: readonly [item: AbiFunction, args?: readonly unknown[]][],
): Promise<unknown[]> {
  // Every upgradeable contract answers what is asked here of upgrades.
  const own = callsOf(address)
  const calls = reads.map(([item, args]) => own(item, args))
  return (await readAt(client, { block: await readTag(client, 'latest'), calls })).map(valueFrom)
}
