/** Events of an evaluation and of the template that it names. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, type Hex, hexToBytes } from 'viem'
import { ARTIFACT_ABSENT } from '../../src/core/artifact.js'
import { encodeDigestPreimage } from '../../src/core/digest.js'
import { computeMessageHash } from '../../src/core/response.js'
import type { Honest } from '../support/attestationWorld.js'
import { type Draft, people } from './ledgerWorld.js'

/** The template with every artifact that the preimage names. */
export function templateDraft(preimage: Honest['preimage']): Draft {
  const artifacts = [preimage.regoHash, preimage.policyParamsSchemaHash]
  for (const data of preimage.data) {
    artifacts.push(data.wasmHash, data.policyDataParamsSchemaHash, data.secretsSchemaHash)
  }
  return {
    ...{ domain: 'context', schemaVersion: 'newton.template/1', by: people.operator },
    fields: {
      ...{ chainId: `${preimage.chainId}`, registry: `0x${'44'.repeat(20)}`, kind: 'policy' },
      templateId: preimage.policyTemplateId,
      artifacts: [...new Set([...artifacts, ARTIFACT_ABSENT])],
      transactionHash: `0x${'11'.repeat(32)}`,
    },
  }
}

/** What an operator logs of an evaluation. */
export function evaluationDraft({
  response,
  preimage,
}: Pick<Honest, 'response' | 'preimage'>): Draft {
  const salted = (value: Hex): Hex => bytesToHex(sha256(hexToBytes(value)))
  return {
    ...{ domain: 'decisions', schemaVersion: 'newton.evaluation/1', by: people.operator },
    fields: {
      ...{ chainId: `${response.chainId}`, registry: response.policyRegistry.toLowerCase() },
      ...{ taskId: response.taskId, policyClient: response.policyClient.toLowerCase() },
      intentHash: response.intentHash,
      digestPreimage: bytesToHex(encodeDigestPreimage(preimage)),
      ...{ artifactDigest: response.artifactDigest, inputsHash: salted(response.inputsHash) },
      ...{ evaluationResult: response.evaluationResult, reasonsHash: salted('0x00') },
      ...{ messageHash: computeMessageHash(response), pcr0Commitment: response.pcr0Commitment },
      ...{ referenceBlock: `${response.referenceBlock}`, engine: 'test/1' },
      referenceBlockHash: response.referenceBlockHash,
      expirationBlock: `${response.expirationBlock}`,
    },
  }
}
