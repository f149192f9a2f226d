/** One operator of a mock chain: the real parts in this process, and what it does when it is dishonest. */
import type { LocalAccount } from 'viem'
import { assembleCertificate } from '../../core/bn254/certificate.js'
import {
  addG1,
  addG2,
  type BlsKey,
  blsKeyFromSeed,
  type Certificate,
  computeSignableDigest,
  type OperatorTable,
} from '../../core/bn254/index.js'
import type { Evaluator } from '../../core/interfaces/evaluator.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { utf8 } from '../../internal/bytes.js'
import { assertChoice } from '../../internal/options.js'
import {
  type CallSigner,
  computeJournalDomain,
  createOperatorClient,
  createOperatorRpc,
  createSigningGuard,
  createTaskEvaluator,
  memoryJournalStorage,
  type OperatorClient,
  type OperatorRpc,
  type OperatorTables,
  openSigningJournal,
} from '../../operator/index.js'
import { type Dishonesty, dishonestKinds, forgeAnswer } from './dishonesty.js'
import type { MockRegistries } from './registries.js'

/** How an operator behaves. `silent` never answers, `unreachable` has no connection. */
export type OperatorBehaviour = 'honest' | 'silent' | 'unreachable' | Dishonesty

const behaviours: readonly OperatorBehaviour[] = [
  'honest',
  'silent',
  'unreachable',
  ...dishonestKinds,
]

/** An operator's account and key. */
export type OperatorMember = { account: LocalAccount; key: BlsKey }

/** An operator that runs. */
export type RunningOperator = {
  client: OperatorClient
  behave(behaviour: OperatorBehaviour): void
}

/** Starts an operator: task evaluator, signing journal in memory, calls, and the client of a gateway. */
export async function startOperator(
  { account, key }: OperatorMember,
  parts: {
    registries: MockRegistries
    evaluator: Evaluator
    tables: OperatorTables
    gateway: CallSigner
  },
): Promise<RunningOperator> {
  const { registries, evaluator, tables, gateway } = parts
  const { reader: registry } = registries
  const { chainId, policyRegistry } = registry
  const latest = await registry.getLatestBlock()
  const journal = await openSigningJournal({
    storage: memoryJournalStorage(),
    domain: computeJournalDomain({ chainId, policyRegistry, publicKey: key.publicKey }),
    head: { block: latest.number, timestamp: latest.timestamp },
    create: true,
  })
  const operator = account.address
  const guard = createSigningGuard({
    ...{ operator, chainId, policyRegistry, signer: key, journal },
    assertReady: async () => undefined,
  })
  const tasks = createTaskEvaluator({ guard, evaluator, registry, tables })
  let behaviour: OperatorBehaviour = 'honest'
  const rpc = createOperatorRpc({
    ...{ operator, chainId, policyRegistry },
    allow: ({ caller }) => caller.toLowerCase() === gateway.address.toLowerCase(),
    handlers: {
      newt_fetchPolicyData: ({ task }, { signal }) => tasks.fetchPolicyData(task, { signal }),
      newt_getOutputs: (params) => tasks.getOutputs(params),
      newt_evaluateAndSign: async (params, { signal }) => {
        const answer = await tasks.evaluateAndSign(params, { signal })
        if (!isDishonest(behaviour)) return answer
        const forged = forgeAnswer(behaviour, answer)
        // Past its journal: that is what makes it dishonest.
        const signature = signWith(signerOf(key, behaviour), forged.response)
        return { ...answer, ...forged, signature }
      },
    },
  })
  const client = createOperatorClient({
    ...{ operator, chainId, policyRegistry, account: gateway },
    url: `http://${operator.toLowerCase()}.mock/rpc`,
    fetch: fetchOf(rpc, () => behaviour),
    timeout: 20_000,
  })
  return {
    client,
    behave: (next) => {
      assertChoice('behaviour', next, behaviours)
      behaviour = next
    },
  }
}

/** The calls of an operator as a `fetch` that reaches no network. */
function fetchOf(rpc: OperatorRpc, behaviour: () => OperatorBehaviour): typeof globalThis.fetch {
  return async (url, init) => {
    const request = new Request(url, init)
    if (behaviour() === 'unreachable') return Promise.reject(new TypeError('fetch failed'))
    if (behaviour() === 'silent') {
      return new Promise((_, reject) => {
        const fail = (): void => reject(request.signal.reason)
        request.signal.addEventListener('abort', fail, { once: true })
      })
    }
    const answer = await rpc.handle({
      body: new Uint8Array(await request.arrayBuffer()),
      authorization: request.headers.get('authorization'),
      signal: request.signal,
    })
    return new Response(answer.body, { status: answer.status })
  }
}

const isDishonest = (behaviour: OperatorBehaviour): behaviour is Dishonesty =>
  (dishonestKinds as readonly string[]).includes(behaviour)

const signerOf = (key: BlsKey, kind: Dishonesty): BlsKey =>
  kind === 'badSignature' ? blsKeyFromSeed(utf8('newton mock stranger')) : key

function signWith(key: BlsKey, response: PolicyTaskResponse): ReturnType<BlsKey['sign']> {
  const { referenceTimestamp } = response
  const messageHash = computeMessageHash(response)
  return key.sign(computeSignableDigest({ referenceTimestamp, messageHash }))
}

/** The certificate of a quorum that signs whatever it is given. */
export function colludingCertificate(
  response: PolicyTaskResponse,
  by: { members: readonly OperatorMember[]; table: OperatorTable; kind: Dishonesty },
): Certificate {
  const { members, table, kind } = by
  return assembleCertificate({
    table,
    referenceTimestamp: response.referenceTimestamp,
    messageHash: computeMessageHash(response),
    signature: addG1(members.map(({ key }) => signWith(signerOf(key, kind), response))),
    apk: addG2(members.map(({ key }) => key.publicKey.pubkeyG2)),
    signers: members.map((_, index) => index),
  })
}
