/** What asks a network of processes for something, and what waits for it. */
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../src/core/artifact.js'
import type { Bn254Backend } from '../../src/core/bn254/index.js'
import { ARTIFACT_ABSENT } from '../../src/core/index.js'
import { createArtifactSource } from '../../src/da/index.js'
import { createResultReplayer, operatorEngine } from '../../src/eval/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { createTaskClient, type TaskClient, type TaskRequest } from '../../src/operator/index.js'
import {
  createCertificateReader,
  createCommitSink,
  createRegistryReader,
  registerPolicyTemplateSync,
} from '../../src/registry/index.js'
import { metricOf, readiness } from './supervisor.js'
import type { Member, NetworkWorld } from './world.js'

export const memberOf = ({ members }: NetworkWorld, name: string): Member => {
  const found = members.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}

/** Waits for what has to come to be. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patience = 180_000,
): Promise<void> {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  throw new Error(`not in time: ${what}`)
}

/** What a verifier reads of the chain and of the store. */
export async function readerOf({ client, contracts: addresses, da }: NetworkWorld) {
  return {
    registry: await createRegistryReader({ client, addresses }),
    certificates: await createCertificateReader({ client, addresses }),
    artifacts: createArtifactSource({ clients: [da] }),
    replayer: createResultReplayer({ engine: operatorEngine() }),
  }
}

/** A client of tasks, which verifies at level `result`. */
export async function taskClientOf(
  world: NetworkWorld,
  { gateway = 'gateway-0', backend }: { gateway?: string; backend?: Bn254Backend } = {},
): Promise<TaskClient> {
  const url = `${memberOf(world, gateway).url}/rpc`
  return createTaskClient({ gateway: { url }, reader: await readerOf(world), backend })
}

/** Allowed up to a value of 5. */
export function requestOf({ policyClient }: NetworkWorld, value: bigint): TaskRequest {
  return {
    policyClient,
    timeout: 120_000,
    intent: {
      from: '0x00000000000000000000000000000000000000f1',
      to: '0x00000000000000000000000000000000000000f2',
      ...{ value, data: '0x', chainId: 31_337n, functionSignature: '0x' },
    },
  }
}

/**
 * Past the blocks that new journals sign nothing at: a task's reference block lies some way behind the head,
 * and operators do not know how far.
 */
export async function passFloors({ anvil }: NetworkWorld): Promise<void> {
  await anvil.rpc('anvil_mine', ['0x5'])
}

/** Registers a policy that nobody uses: the next window has something to commit. */
export async function registerAnother(world: NetworkWorld, name: string): Promise<Hex> {
  const rego = utf8(`package another\n# ${name}\nallow := true\n`)
  await world.da.put(rego)
  const { id } = await registerPolicyTemplateSync(world.wallet(1), {
    regoHash: computeArtifactHash(rego),
    ...{ paramsSchemaHash: ARTIFACT_ABSENT, policyDataTemplateRefs: [] },
    locators: { rego: { kind: 'keccakStore', name: '' } },
    addresses: world.contracts,
  })
  return id
}

/** Number of the newest commit on chain; 0 before the first. */
export async function newestCommit({ owner, contracts: addresses }: NetworkWorld): Promise<number> {
  const latest = await createCommitSink({ client: owner, addresses }).latest()
  return latest === null ? 0 : Number(latest.sequenceNo)
}

/** Waits until a commit has landed and these processes are at its root. */
export async function untilCommitted(
  world: NetworkWorld,
  { names, atLeast = 1 }: { names?: readonly string[] | undefined; atLeast?: number } = {},
): Promise<void> {
  const operators = world.members.filter(({ role }) => role === 'operator')
  const followers = names?.map((name) => memberOf(world, name)) ?? operators
  await until(`commit ${atLeast} at ${followers.map(({ name }) => name).join(', ')}`, async () => {
    const newest = await newestCommit(world)
    if (newest < atLeast) return false
    const at = await Promise.all(
      followers.map(
        async (one) =>
          (await readiness(one)) === undefined &&
          (await metricOf(one, /^(operator|replica)_sequence /)) >= newest,
      ),
    )
    return at.every((reached) => reached)
  })
}
