/**
 * ABI of the messages of the current protocol, field for field and in the order of the structs.
 *
 * Source: `NewtonMessage.sol`, `INewtonProverTaskManager.sol`, `INewtonPolicy.sol` of the deployed
 * contracts, and `IBLSSignatureChecker` of EigenLayer's middleware.
 */
import { bn254AbiComponents } from '../bn254/certificate.js'
import { intentAbi } from '../intent.js'

const intent = { name: 'intent', type: 'tuple', components: intentAbi } as const

/** `INewtonProverTaskManager.Task`. */
export const newtonTaskAbi = {
  name: 'task',
  type: 'tuple',
  components: [
    { name: 'taskId', type: 'bytes32' },
    { name: 'policyClient', type: 'address' },
    { name: 'taskCreatedBlock', type: 'uint32' },
    { name: 'quorumThresholdPercentage', type: 'uint32' },
    intent,
    { name: 'intentSignature', type: 'bytes' },
    { name: 'wasmArgs', type: 'bytes' },
    { name: 'quorumNumbers', type: 'bytes' },
    { name: 'initializationTimestamp', type: 'uint256' },
  ],
} as const

/** What `TaskLib.taskHash` hashes: the task's fields in another order, not as a struct. */
export const newtonTaskHashAbi = [
  { name: 'taskId', type: 'bytes32' },
  { name: 'taskCreatedBlock', type: 'uint32' },
  intent,
  { name: 'intentSignature', type: 'bytes' },
  { name: 'policyClient', type: 'address' },
  { name: 'wasmArgs', type: 'bytes' },
  { name: 'quorumNumbers', type: 'bytes' },
  { name: 'quorumThresholdPercentage', type: 'uint32' },
  { name: 'initializationTimestamp', type: 'uint256' },
] as const

/** `INewtonProverTaskManager.TaskResponse`. */
export const newtonTaskResponseAbi = {
  name: 'taskResponse',
  type: 'tuple',
  components: [
    { name: 'taskId', type: 'bytes32' },
    { name: 'policyClient', type: 'address' },
    { name: 'policyId', type: 'bytes32' },
    { name: 'policyAddress', type: 'address' },
    intent,
    { name: 'intentSignature', type: 'bytes' },
    { name: 'evaluationResult', type: 'bytes' },
    {
      name: 'policyTaskData',
      type: 'tuple',
      components: [
        { name: 'policyId', type: 'bytes32' },
        { name: 'policyAddress', type: 'address' },
        { name: 'policy', type: 'bytes' },
        {
          name: 'policyData',
          type: 'tuple[]',
          components: [
            { name: 'wasmArgs', type: 'bytes' },
            { name: 'data', type: 'bytes' },
            { name: 'policyDataAddress', type: 'address' },
            { name: 'expireBlock', type: 'uint32' },
          ],
        },
      ],
    },
    {
      name: 'policyConfig',
      type: 'tuple',
      components: [
        { name: 'policyParams', type: 'bytes' },
        { name: 'expireAfter', type: 'uint32' },
      ],
    },
    { name: 'initializationTimestamp', type: 'uint256' },
  ],
} as const

/** `INewtonProverTaskManager.ResponseCertificate`. */
export const newtonResponseCertificateAbi = {
  name: 'responseCertificate',
  type: 'tuple',
  components: [
    { name: 'referenceBlock', type: 'uint32' },
    { name: 'responseExpireBlock', type: 'uint32' },
    { name: 'hashOfNonSigners', type: 'bytes32' },
    { name: 'signatureData', type: 'bytes' },
  ],
} as const

/** `NewtonMessage.Attestation`. */
export const newtonAttestationAbi = {
  name: 'attestation',
  type: 'tuple',
  components: [
    { name: 'taskId', type: 'bytes32' },
    { name: 'policyId', type: 'bytes32' },
    { name: 'policyClient', type: 'address' },
    { name: 'expiration', type: 'uint32' },
    intent,
    { name: 'intentSignature', type: 'bytes' },
  ],
} as const

/** `IBLSSignatureChecker.NonSignerStakesAndSignature`, the source chain's signature data. */
export const nonSignerStakesAndSignatureAbi = {
  name: 'nonSignerStakesAndSignature',
  type: 'tuple',
  components: [
    { name: 'nonSignerQuorumBitmapIndices', type: 'uint32[]' },
    { name: 'nonSignerPubkeys', type: 'tuple[]', components: bn254AbiComponents.g1 },
    { name: 'quorumApks', type: 'tuple[]', components: bn254AbiComponents.g1 },
    { name: 'apkG2', type: 'tuple', components: bn254AbiComponents.g2 },
    { name: 'sigma', type: 'tuple', components: bn254AbiComponents.g1 },
    { name: 'quorumApkIndices', type: 'uint32[]' },
    { name: 'totalStakeIndices', type: 'uint32[]' },
    { name: 'nonSignerStakeIndices', type: 'uint32[][]' },
  ],
} as const

const bytes = (name: string): { name: string; type: 'bytes' } => ({ name, type: 'bytes' })

/** Functions of the task manager that take these messages. */
export const newtonTaskManagerAbi = [
  {
    type: 'function',
    name: 'createNewTask',
    stateMutability: 'nonpayable',
    inputs: [newtonTaskAbi],
    outputs: [],
  },
  {
    type: 'function',
    name: 'respondToTask',
    stateMutability: 'nonpayable',
    inputs: [
      newtonTaskAbi,
      newtonTaskResponseAbi,
      bytes('signatureData'),
      bytes('attestationData'),
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'validateAttestation',
    stateMutability: 'nonpayable',
    inputs: [newtonAttestationAbi],
    outputs: [{ name: '', type: 'bool' }],
  },
  {
    type: 'function',
    name: 'validateAttestationDirect',
    stateMutability: 'nonpayable',
    inputs: [newtonTaskAbi, newtonTaskResponseAbi, bytes('signatureData')],
    outputs: [{ name: '', type: 'bool' }],
  },
  {
    type: 'event',
    name: 'TaskResponded',
    inputs: [newtonTaskResponseAbi, newtonResponseCertificateAbi],
  },
  {
    type: 'event',
    name: 'AttestationSpent',
    inputs: [{ name: 'taskId', type: 'bytes32', indexed: true }, newtonAttestationAbi],
  },
  {
    type: 'event',
    name: 'DirectTaskResponded',
    inputs: [
      { name: 'taskId', type: 'bytes32', indexed: true },
      newtonTaskAbi,
      newtonTaskResponseAbi,
    ],
  },
] as const
