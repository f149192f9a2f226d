/** An operator: its part of tasks and of commits, behind calls that are authenticated. */
import type { Address, Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { type Anomaly, type LeafSource, readLeaf } from '../../statetree/index.js'
import { type Committer, type CommitterParameters, createCommitter } from '../commits/committer.js'
import type { LedgerRecorder } from '../ledger/recorder.js'
import { refuse } from '../rpc/envelope.js'
import { readGivenAddresses, readGivenBuild } from '../rpc/given.js'
import type { OperatorMethod } from '../rpc/methods.js'
import {
  createOperatorRpc,
  type OperatorHandlers,
  type OperatorRpc,
  type OperatorRpcParameters,
} from '../rpc/server.js'
import type { EnclaveKey } from '../rpc/uploads.js'
import type { SecretsInbox } from '../secrets/inbox.js'
import type { SigningGuard } from '../signing/guard.js'
import {
  createTaskEvaluator,
  type TaskEvaluator,
  type TaskEvaluatorParameters,
} from '../tasks/evaluating.js'

/** Parameters of {@link createOperatorNode}. */
export type OperatorNodeParameters = {
  guard: SigningGuard
  tasks: Omit<TaskEvaluatorParameters, 'guard' | 'tables' | 'pcr0Commitment' | 'ledger'>
  commits: Omit<CommitterParameters, 'guard' | 'tables' | 'pcr0Commitment' | 'onCommit'>
  tables: TaskEvaluatorParameters['tables']
  /** `keccak256(PCR0)` of this operator's enclave build. */
  pcr0Commitment: CommitterParameters['pcr0Commitment']
  /** Accounts of gateways, which may ask for tasks. */
  gateways: readonly Address[]
  /** Accounts of operators, which may ask for commits. */
  peers: readonly Address[]
  /**
   * Reads of leaves: those of artifacts are anyone's, those of the private-data layer go to whom
   * `mayRead` lets in. Without `rootAt` they are read at roots and not at blocks.
   */
  reads?: Omit<LeafSource, 'tree'> | undefined
  /** Keeps what this operator does for the evaluation ledger. @default nothing is recorded */
  ledger?: LedgerRecorder | undefined
  /** Uploads of sealed secrets; left out where this operator takes none. */
  secrets?:
    | {
        inbox: SecretsInbox
        /** The enclave's key, with the document that names it. */
        key?: ((options: IoOptions) => Promise<EnclaveKey>) | undefined
      }
    | undefined
  limits?: OperatorRpcParameters['limits']
  now?: OperatorRpcParameters['now']
  onEvent?: OperatorRpcParameters['onEvent']
}

/** Limits, the clock and the hook are looked at by `createOperatorRpc`, each part's by the part. */
const operatorOptions: Parameters<typeof assertOptions<OperatorNodeParameters>>[1] = {
  ...{ guard: 'object', tasks: 'object', commits: 'object', tables: 'object' },
  ...{ pcr0Commitment: 'text', gateways: 'list', peers: 'list', reads: 'object' },
  ...{ ledger: 'object', secrets: 'object', limits: 'any', now: 'any', onEvent: 'any' },
}

/** An operator. */
export type OperatorNode = {
  readonly operator: Address
  readonly rpc: OperatorRpc
  readonly tasks: TaskEvaluator
  readonly commits: Committer
}

/** What the ledger keeps of an anomaly of the tree. */
export function anomalyOf({ code, name, sequenceNo, detail }: Anomaly): {
  kind: string
  subject: string
  detail: string
} {
  const subject = sequenceNo === undefined ? '' : `commit ${sequenceNo}`
  return { kind: name ?? `0x${code.toString(16)}`, subject, detail }
}

/** What gateways may call, and what peers may. */
const gatewayMethods: ReadonlySet<OperatorMethod> = new Set([
  ...(['newt_fetchPolicyData', 'newt_evaluateAndSign', 'newt_getOutputs'] as const),
  ...(['newt_putEnvelope', 'newt_getSecretsMetadata', 'newt_getSecretsKey'] as const),
])
const peerMethods: ReadonlySet<OperatorMethod> = new Set([
  ...(['newt_getStateCommitProposal', 'newt_signStateCommit', 'newt_getEnvelope'] as const),
])

/**
 * Joins the parts of an operator. Nothing runs by itself: calls come in through `rpc`, windows and
 * landed commits through `commits.runWindow` and `commits.follow`.
 *
 * @throws {InvalidInputError} for parts that do not fit together.
 * @example
 * ```ts
 * import { createOperatorNode } from '@newton/policy-sdk/operator'
 * import { listenOperator } from '@newton/policy-sdk/operator/node'
 *
 * const node = createOperatorNode({ guard, tables, pcr0Commitment, gateways, peers, tasks, commits })
 * const server = await listenOperator({ rpc: node.rpc, port: 8700 })
 * ```
 */
export function createOperatorNode(parameters: OperatorNodeParameters): OperatorNode {
  assertMembers('parameters', parameters, [
    'guard',
    'tasks',
    'commits',
    'tables',
    'gateways',
    'peers',
  ])
  assertOptions(parameters, operatorOptions, { field: 'parameters' })
  const { guard, tables, ledger } = parameters
  const pcr0Commitment = readGivenBuild('parameters.pcr0Commitment', parameters.pcr0Commitment)
  const accounts = (name: 'gateways' | 'peers'): ReadonlySet<string> =>
    new Set(readGivenAddresses(`parameters.${name}`, parameters[name]))
  const [gateways, peers] = [accounts('gateways'), accounts('peers')]
  const build = pcr0Commitment === ZERO_HASH ? {} : { pcr0Commitment }
  const tasks = createTaskEvaluator({ ...parameters.tasks, ...build, guard, tables, ledger })
  const commits = createCommitter({
    ...parameters.commits,
    ...{ guard, tables, pcr0Commitment },
    onCommit: ledger?.committed,
    onAnomaly: (found) => {
      ledger?.anomaly(anomalyOf(found))
      parameters.commits.onAnomaly?.(found)
    },
  })
  const reads: LeafSource = { tree: parameters.commits.pipeline.tree, ...parameters.reads }
  const mayCall = ({ caller, method }: { caller: Address; method: OperatorMethod }) => {
    if (method !== 'newt_signedRead')
      return (
        (gatewayMethods.has(method) && gateways.has(caller)) ||
        (peerMethods.has(method) && peers.has(caller))
      )
    return gateways.has(caller) || peers.has(caller) || 'guest'
  }
  const rpc = createOperatorRpc({
    operator: guard.operator,
    chainId: parameters.tasks.registry.chainId,
    policyRegistry: parameters.tasks.registry.policyRegistry,
    allow: mayCall,
    limits: parameters.limits,
    now: parameters.now,
    onEvent: parameters.onEvent,
    handlers: {
      newt_fetchPolicyData: ({ task }, { signal }) => tasks.fetchPolicyData(task, { signal }),
      newt_evaluateAndSign: (params, { signal }) => tasks.evaluateAndSign(params, { signal }),
      newt_getOutputs: (params) => tasks.getOutputs(params),
      newt_getStateCommitProposal: async ({ timestamp }, { signal }) => {
        const proposal = await commits.propose(timestamp, { signal })
        if (proposal === undefined) return null
        const { commit, deltaHash, locators } = proposal
        return { commit, deltaHash, locators }
      },
      newt_signStateCommit: async ({ proposal }, { signal }) =>
        (await commits.sign(proposal, { signal })).signature,
      newt_signedRead: (params, { caller }) => readLeaf(reads, params, async () => caller),
      ...secretsHandlers(parameters.secrets, pcr0Commitment),
    },
  })
  return { operator: guard.operator, rpc, tasks, commits }
}

function secretsHandlers(secrets: OperatorNodeParameters['secrets'], build: Hex): OperatorHandlers {
  if (secrets === undefined) return {}
  const { inbox, key } = secrets
  return {
    newt_putEnvelope: (params, { signal }) => inbox.put(params, { signal }),
    newt_getEnvelope: ({ envelopeHash }) => inbox.get(envelopeHash),
    newt_getSecretsMetadata: ({ policyDataInstanceId }, { signal }) =>
      inbox.metadata(policyDataInstanceId, { signal }),
    newt_getSecretsKey: async ({ pcr0Commitment }, { signal }) => {
      if (key === undefined || pcr0Commitment !== build.toLowerCase()) {
        throw refuse('ENCLAVE_MISSING', 'this operator runs another build, or none')
      }
      return key({ signal })
    },
  }
}
