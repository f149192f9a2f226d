/**
 * The methods of an operator: what each takes and gives, and how both are written. One table for
 * client and server. Tasks, responses, preimages and points travel as the bytes that are hashed or
 * signed, so there is one encoding of each.
 */
import type { Hex } from 'viem'
import {
  MAX_OUTPUT_GROUPS,
  type OutputCommitment,
  type OutputGroup,
} from '../../attestation/index.js'
import { decodeG1, encodeG1, type G1Point, MAX_OPERATORS } from '../../core/bn254/index.js'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import {
  type DigestPreimage,
  decodeDigestPreimage,
  encodeDigestPreimage,
} from '../../core/digest.js'
import { type DaLocator, decodeLocator, encodeLocator } from '../../core/locator.js'
import { decodeResponse, encodeResponse, type PolicyTaskResponse } from '../../core/response.js'
import { assertStateCommit, type StateCommit } from '../../core/stateCommit.js'
import { decodeTask, encodeTask, type Task } from '../../core/task.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import {
  type LeafReading,
  readLeafReading,
  readReadParams,
  type SignedReadParams,
  writeLeafReading,
  writeReadParams,
} from '../../statetree/index.js'
import {
  readAddress,
  readByWord,
  readHex,
  readList,
  readMembers,
  readSeconds,
  readText,
  readUint,
  readWord,
} from './fields.js'
import {
  type EnclaveKey,
  type PutEnvelopeParams,
  type SecretsMetadata,
  type SecretsUploadRecord,
  secretsMethods,
} from './uploads.js'

/** A bit for each of the operators that a table may have. */
const MAX_BITMAP = MAX_OPERATORS / 8

/** What `newt_evaluateAndSign` takes. */
export type EvaluateAndSignParams = {
  task: Task
  /** `keccak256(PCR0)` of the build that is asked for; zero where none is. */
  pcr0Commitment: Hex
  /** Seconds of the operator table in force at the reference block. */
  referenceTimestamp: number
  /**
   * Commitments to outputs, grouped by what they say: those that show the majority of each output. Empty
   * where the policy has no plugins.
   */
  outputGroups: readonly OutputGroup[]
}

/** What an operator answers a task with. */
export type SignedEvaluation = {
  response: PolicyTaskResponse
  preimage: DigestPreimage
  /** Plugin outputs by policy-data template id. */
  outputs: Readonly<Record<Hex, Json>>
  /** keccak-256 of the envelopes used, by policy-data instance id. */
  secrets: Readonly<Record<Hex, Hex>>
  reasons: readonly string[]
  /** Over the signable digest of the response. */
  signature: G1Point
  /** The enclave's document with the operator's signature over it. */
  document?: { bytes: Hex; signature: G1Point } | undefined
}

/** A proposed commit without its delta, which is had by its hash. */
export type ProposalHead = { commit: StateCommit; deltaHash: Hex; locators: readonly DaLocator[] }

/** A method's parameters and result, typed and as JSON. */
export type RpcMethod<params, result> = {
  writeParams(params: params): JsonObject
  readParams(value: Json | undefined): params
  writeResult(result: result): Json
  readResult(value: Json | undefined): result
}

/** All methods. */
export type OperatorMethods = {
  newt_fetchPolicyData: RpcMethod<{ task: Task }, OutputCommitment>
  newt_evaluateAndSign: RpcMethod<EvaluateAndSignParams, SignedEvaluation>
  newt_getOutputs: RpcMethod<{ taskId: Hex; hash: Hex }, Json>
  newt_getStateCommitProposal: RpcMethod<{ timestamp: bigint }, ProposalHead | null>
  newt_signStateCommit: RpcMethod<{ proposal: ProposalHead }, G1Point>
  newt_signedRead: RpcMethod<SignedReadParams, LeafReading>
  newt_putEnvelope: RpcMethod<PutEnvelopeParams, { envelopeHash: Hex }>
  newt_getEnvelope: RpcMethod<{ envelopeHash: Hex }, SecretsUploadRecord | null>
  newt_getSecretsMetadata: RpcMethod<{ policyDataInstanceId: Hex }, SecretsMetadata>
  newt_getSecretsKey: RpcMethod<{ pcr0Commitment: Hex }, EnclaveKey>
}

/** Name of a method. */
export type OperatorMethod = keyof OperatorMethods

/** The table. */
export const operatorMethods: OperatorMethods = {
  newt_fetchPolicyData: {
    writeParams: ({ task }) => ({ task: encodeTask(task) }),
    readParams: (value) => {
      const { task } = readMembers(value, 'params', { required: ['task'] })
      return { task: readTask(task, 'params.task') }
    },
    writeResult: writeCommitment,
    readResult: (value) => readCommitment(value, 'result'),
  },
  newt_evaluateAndSign: {
    writeParams: ({ task, pcr0Commitment, referenceTimestamp, outputGroups }) => ({
      task: encodeTask(task),
      pcr0Commitment: pcr0Commitment.toLowerCase(),
      referenceTimestamp,
      outputGroups: outputGroups.map(writeOutputGroup),
    }),
    readParams: (value) => {
      const required = ['task', 'pcr0Commitment', 'referenceTimestamp', 'outputGroups']
      const params = readMembers(value, 'params', { required })
      return {
        task: readTask(params['task'], 'params.task'),
        pcr0Commitment: readWord(params['pcr0Commitment'], 'params.pcr0Commitment'),
        referenceTimestamp: readSeconds(params['referenceTimestamp'], 'params.referenceTimestamp'),
        outputGroups: readList(
          params['outputGroups'],
          'params.outputGroups',
          MAX_OUTPUT_GROUPS,
        ).map((entry, index) => readOutputGroup(entry, `params.outputGroups[${index}]`)),
      }
    },
    writeResult: writeSignedEvaluation,
    readResult: (value) => readSignedEvaluation(value, 'result'),
  },
  newt_getOutputs: {
    writeParams: ({ taskId, hash }) => ({ taskId: taskId.toLowerCase(), hash: hash.toLowerCase() }),
    readParams: (value) => {
      const { taskId, hash } = readMembers(value, 'params', { required: ['taskId', 'hash'] })
      return { taskId: readWord(taskId, 'params.taskId'), hash: readWord(hash, 'params.hash') }
    },
    writeResult: (output) => ({ output }),
    readResult: (value) => readMembers(value, 'result', { required: ['output'] })['output'] as Json,
  },
  newt_getStateCommitProposal: {
    writeParams: ({ timestamp }) => ({ timestamp: timestamp.toString() }),
    readParams: (value) => {
      const { timestamp } = readMembers(value, 'params', { required: ['timestamp'] })
      return { timestamp: readUint(timestamp, 'params.timestamp') }
    },
    writeResult: (head) => (head === null ? null : writeProposalHead(head)),
    readResult: (value) => (value === null ? null : readProposalHead(value, 'result')),
  },
  newt_signStateCommit: {
    writeParams: ({ proposal }) => ({ proposal: writeProposalHead(proposal) }),
    readParams: (value) => {
      const { proposal } = readMembers(value, 'params', { required: ['proposal'] })
      return { proposal: readProposalHead(proposal, 'params.proposal') }
    },
    writeResult: (signature) => ({ signature: writePoint(signature) }),
    readResult: (value) => {
      const { signature } = readMembers(value, 'result', { required: ['signature'] })
      return readPoint(signature, 'result.signature')
    },
  },
  newt_signedRead: {
    writeParams: writeReadParams,
    readParams: readReadParams,
    writeResult: writeLeafReading,
    // Its shape alone: whether it shows the leaf, `assertLeafReading` says.
    readResult: (value) => {
      const required = ['valueHash', 'value', 'proof', 'commit']
      return readLeafReading(readMembers(value, 'result', { required }))
    },
  },
  ...secretsMethods,
}

/** Writes what an operator answers a task with: the form on the wire and in the journal. */
export function writeSignedEvaluation(answer: SignedEvaluation): JsonObject {
  const { document } = answer
  return {
    response: encodeResponse(answer.response),
    preimage: toHex(encodeDigestPreimage(answer.preimage)),
    outputs: answer.outputs as JsonObject,
    secrets: answer.secrets as JsonObject,
    reasons: [...answer.reasons],
    signature: writePoint(answer.signature),
    ...(document === undefined
      ? {}
      : { document: { bytes: document.bytes, signature: writePoint(document.signature) } }),
  }
}

/** Reads {@link writeSignedEvaluation}. @throws {InvalidInputError} naming the member. */
export function readSignedEvaluation(value: Json | undefined, path: string): SignedEvaluation {
  const required = ['response', 'preimage', 'outputs', 'secrets', 'reasons', 'signature']
  const answer = readMembers(value, path, { required, optional: ['document'] })
  const at = (name: string): string => `${path}.${name}`
  const document = answer['document']
  return {
    response: decodeResponse(readHex(answer['response'], at('response'))),
    preimage: decodeDigestPreimage(fromHex(readHex(answer['preimage'], at('preimage')))),
    outputs: readByWord(answer['outputs'], at('outputs'), (output) => output),
    secrets: readByWord(answer['secrets'], at('secrets'), readWord),
    reasons: readList(answer['reasons'], at('reasons'), 1_024).map((reason, index) =>
      readText(reason, at(`reasons[${index}]`), 65_536),
    ),
    signature: readPoint(answer['signature'], at('signature')),
    ...(document === undefined ? {} : { document: readDocument(document, at('document')) }),
  }
}

function readDocument(value: Json, path: string): { bytes: Hex; signature: G1Point } {
  const { bytes, signature } = readMembers(value, path, { required: ['bytes', 'signature'] })
  return {
    bytes: readHex(bytes, `${path}.bytes`, 65_536),
    signature: readPoint(signature, `${path}.signature`),
  }
}

function writeCommitment({ operator, taskId, hashes, signature }: OutputCommitment): JsonObject {
  return {
    operator: operator.toLowerCase(),
    taskId: taskId.toLowerCase(),
    hashes: hashes as JsonObject,
    signature: writePoint(signature),
  }
}

function readCommitment(value: Json | undefined, path: string): OutputCommitment {
  const required = ['operator', 'taskId', 'hashes', 'signature']
  const commitment = readMembers(value, path, { required })
  return {
    operator: readAddress(commitment['operator'], `${path}.operator`),
    taskId: readWord(commitment['taskId'], `${path}.taskId`),
    hashes: readByWord(commitment['hashes'], `${path}.hashes`, readWord),
    signature: readPoint(commitment['signature'], `${path}.signature`),
  }
}

function writeOutputGroup({ hashes, signature, signers }: OutputGroup): JsonObject {
  return {
    hashes: hashes as JsonObject,
    signature: writePoint(signature),
    signers: signers.toLowerCase(),
  }
}

function readOutputGroup(value: Json | undefined, path: string): OutputGroup {
  const group = readMembers(value, path, { required: ['hashes', 'signature', 'signers'] })
  return {
    hashes: readByWord(group['hashes'], `${path}.hashes`, readWord),
    signature: readPoint(group['signature'], `${path}.signature`),
    signers: readHex(group['signers'], `${path}.signers`, MAX_BITMAP),
  }
}

function writeProposalHead({ commit, deltaHash, locators }: ProposalHead): JsonObject {
  return {
    commit: {
      ...commit,
      sequenceNo: commit.sequenceNo.toString(),
      timestamp: commit.timestamp.toString(),
    },
    deltaHash: deltaHash.toLowerCase(),
    locators: locators.map((locator) => encodeLocator(locator)),
  }
}

function readProposalHead(value: Json | undefined, path: string): ProposalHead {
  const head = readMembers(value, path, { required: ['commit', 'deltaHash', 'locators'] })
  const words = ['prevStateRoot', 'newStateRoot', 'daCertHash', 'pcr0Commitment'] as const
  const required = ['version', 'sequenceNo', 'timestamp', ...words]
  const fields = readMembers(head['commit'], `${path}.commit`, { required })
  const word = (name: (typeof words)[number]): Hex =>
    readWord(fields[name], `${path}.commit.${name}`)
  const commit: StateCommit = {
    version: fields['version'] as 1 | 2,
    sequenceNo: readUint(fields['sequenceNo'], `${path}.commit.sequenceNo`),
    prevStateRoot: word('prevStateRoot'),
    newStateRoot: word('newStateRoot'),
    timestamp: readUint(fields['timestamp'], `${path}.commit.timestamp`),
    daCertHash: word('daCertHash'),
    pcr0Commitment: word('pcr0Commitment'),
  }
  assertStateCommit(commit)
  return {
    commit,
    deltaHash: readWord(head['deltaHash'], `${path}.deltaHash`),
    locators: readList(head['locators'], `${path}.locators`, 16).map((locator, index) =>
      decodeLocator(readHex(locator, `${path}.locators[${index}]`)),
    ),
  }
}

function readTask(value: Json | undefined, path: string): Task {
  return decodeTask(readHex(value, path))
}

function writePoint(point: G1Point): Hex {
  return toHex(encodeG1(point))
}

function readPoint(value: Json | undefined, path: string): G1Point {
  return decodeG1(fromHex(readHex(value, path, 64)))
}

/** Whether a text names a method. */
export function isOperatorMethod(name: string): name is OperatorMethod {
  return Object.hasOwn(operatorMethods, name)
}
