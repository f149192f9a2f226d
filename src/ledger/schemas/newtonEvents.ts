/** Events of the network. Hashes by default; `inputsHash` and `reasonsHash` are salted outside. */
import { address, bytes, chainHash, type Fields, hash32, note, uint, type Zod } from './parts.js'

/** Fields by `type/version`. */
export function newtonSchemas(z: Zod): Record<string, Fields> {
  return { ...registrySchemas(z), ...evaluationSchemas(z), ...outcomeSchemas(z) }
}

function registrySchemas(z: Zod): Record<string, Fields> {
  const kind = z.enum(['policy', 'policyData'])
  const registry = registryFields(z)
  return {
    'newton.template/1': {
      ...registry,
      kind,
      templateId: hash32(z),
      /** Of Rego or plugin, and of each schema there is. */
      artifacts: z.array(hash32(z)).min(1).max(16),
      transactionHash: hash32(z),
    },
    'newton.instance/1': {
      ...registry,
      kind,
      instanceId: hash32(z),
      templateId: hash32(z),
      policyClient: address(z),
      paramsHash: hash32(z),
      expireAfter: uint(z),
      transactionHash: hash32(z),
    },
    'newton.slot/1': {
      ...registry,
      kind,
      policyClient: address(z),
      instanceId: hash32(z),
      blockNumber: uint(z),
      transactionHash: hash32(z),
    },
  }
}

function evaluationSchemas(z: Zod): Record<string, Fields> {
  return {
    'newton.evaluation/1': {
      ...registryFields(z),
      taskId: hash32(z),
      policyClient: address(z),
      intentHash: hash32(z),
      /** The bytes that the artifact digest is the hash of. */
      digestPreimage: bytes(z, 32 * (9 + 6 * 32)),
      artifactDigest: hash32(z),
      inputsHash: hash32(z),
      evaluationResult: bytes(z, 1_024),
      reasonsHash: hash32(z),
      messageHash: hash32(z),
      referenceBlock: uint(z),
      referenceBlockHash: hash32(z),
      expirationBlock: uint(z),
      pcr0Commitment: hash32(z),
      engine: note(z, 200),
    },
    'newton.attestation/1': {
      /** `current_hash` of the evaluation's event. */
      evaluation: chainHash(z),
      evaluationResult: bytes(z, 1_024),
      messageHash: hash32(z),
      certificateHash: hash32(z),
      /** Indices in the operator table. */
      signers: z.array(z.int().min(0).max(1_000_000)).max(2_000),
    },
  }
}

function outcomeSchemas(z: Zod): Record<string, Fields> {
  return {
    'newton.commit/1': {
      sequenceNo: uint(z),
      root: hash32(z),
      deltaHash: hash32(z),
      cutoffBlock: uint(z),
      transactionHash: hash32(z),
    },
    'newton.challenge/1': {
      messageHash: hash32(z),
      mismatch: note(z, 200),
      operators: z.array(z.int().min(0).max(1_000_000)).max(2_000),
      transactionHash: hash32(z),
    },
    'newton.anomaly/1': { kind: note(z, 100), subject: note(z, 400), detail: note(z, 4_000) },
    'newton.build-info/1': {
      wasmHash: hash32(z),
      /** SHA-256 of the build information's canonical form. */
      buildInfoHash: chainHash(z),
      sourceUri: note(z),
      sourceSha256: chainHash(z),
      buildImage: note(z),
    },
    'newton.verification/1': {
      wasmHash: hash32(z),
      buildInfoHash: chainHash(z),
      result: z.enum(['MATCH', 'NO_MATCH', 'DID_NOT_RUN']),
      level: z.enum(['exact', 'code', 'none']),
      reportHash: chainHash(z),
    },
  }
}

const registryFields = (z: Zod): Fields => ({ chainId: uint(z), registry: address(z) })
