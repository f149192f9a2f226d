/** `attestation`: what operators signed, verified from the chain, and challenged where it is a lie. */
import type { CommandDef } from 'citty'
import {
  type AttestationLevel,
  type AttestationOutcome,
  attestationLevels,
  type Evidence,
  evidenceToJson,
  operatorWitness,
  verifyTaskAttestation,
} from '../../attestation/index.js'
import { evaluateResult, parseJson } from '../../core/index.js'
import { readTaskAnswer } from '../../operator/index.js'
import {
  challengeAttestationDigestSync,
  createChallengeSink,
  createOperatorTrees,
  dryRunChallengeAttestationDigest,
  type WriteClient,
} from '../../registry/index.js'
import { daArgs } from '../config/artifactStore.js'
import { attestationReaderOf, type StoreArgs } from '../config/attestationReader.js'
import { type ChainTarget, chainArgs, chainOf } from '../config/chain.js'
import { UsageError } from '../errors.js'
import { readJsonObject } from '../files.js'
import { command, group } from '../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal } from '../terminal/output.js'
import { confirmMainnet, performWrite, signersFor, writeArgs } from '../writing.js'

const answerArg = {
  file: {
    type: 'positional',
    description: 'The answer, as task create --out keeps it',
    required: true,
  },
} as const

async function judge(
  terminal: Terminal,
  input: {
    args: StoreArgs & { file: string }
    target: ChainTarget
    level: AttestationLevel
    acceptance?: boolean | undefined
    signal: AbortSignal
  },
): Promise<{ outcome: AttestationOutcome; answer: ReturnType<typeof readTaskAnswer> }> {
  const { args, level, acceptance, signal } = input
  const answer = readTaskAnswer(await readJsonObject(terminal, args.file), args.file)
  const { task, response, certificate, preimage, inputs } = answer
  const reader = await attestationReaderOf(terminal, input)
  const outcome = await verifyTaskAttestation({
    ...{ reader, task, response, certificate, preimage, inputs, level, acceptance, signal },
  })
  return { outcome, answer }
}

function reached(level: AttestationLevel, outcome: AttestationOutcome): string[] {
  if (outcome.status !== 'valid' && outcome.status !== 'consistent') return []
  const last = attestationLevels.indexOf(level)
  return attestationLevels.slice(0, last + 1).map((name) => `ok      ${name}`)
}

/** Anything but `valid` is no: what could not be looked at too. */
function exitCodeOf(outcome: AttestationOutcome): number {
  if (outcome.status === 'valid') return exitCodes.done
  if (outcome.status !== 'inconclusive') return exitCodes.denied
  return outcome.retryable ? exitCodes.tryAgain : exitCodes.failure
}

function textOf(outcome: AttestationOutcome, allowed: boolean): string {
  switch (outcome.status) {
    case 'valid':
      return `valid: operators signed ${allowed ? 'allow' : 'deny'}`
    case 'consistent':
      return `nothing wrong so far at level ${outcome.level}; valid from level quorum on`
    case 'slashable':
    case 'disputed': {
      const ways = outcome.status === 'slashable' && outcome.challengeable
      const next = ways ? '\nchallenge it: newton-policy attestation challenge <file>' : ''
      return `${outcome.status}: ${outcome.reason}: ${outcome.evidence.detail}${next}`
    }
    default:
      return `${outcome.status}: ${outcome.reason}: ${outcome.detail}`
  }
}

const dataOf = (outcome: AttestationOutcome): unknown =>
  'evidence' in outcome
    ? { ...outcome, evidence: parseJson(evidenceToJson(outcome.evidence)) }
    : outcome

const verify = command({
  name: 'verify',
  example: 'newton-policy attestation verify answer.json --chain devnet',
  description: 'Verify an answer from the chain and the store; exit code 3 where it is not valid',
  args: {
    ...answerArg,
    level: {
      type: 'string',
      description: `How far: ${attestationLevels.join(', ')}`,
      default: 'result',
    },
    acceptance: {
      type: 'boolean',
      description: 'Judge also whether the contract would still accept it',
      default: false,
    },
    ...daArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const { acceptance } = args
    const level = attestationLevels.find((name) => name === args.level)
    if (level === undefined) {
      throw new UsageError(`--level is one of ${attestationLevels.join(', ')}.`)
    }
    const target = await chainOf(terminal, args)
    const input = { args, target, level, acceptance, signal }
    const { outcome, answer } = await judge(terminal, input)
    for (const line of reached(level, outcome)) terminal.stderr(`${line}\n`)
    const { taskId, response } = answer
    const allowed = evaluateResult(response.evaluationResult)
    return {
      data: { taskId, ...(outcome.status === 'valid' && { allowed }), outcome: dataOf(outcome) },
      text: textOf(outcome, allowed),
      exitCode: exitCodeOf(outcome),
    }
  },
})

const challenge = command({
  name: 'challenge',
  example: 'newton-policy attestation challenge answer.json --chain devnet --dry-run',
  description:
    'Verify an answer and, where its digest is a lie on chain, file the challenge against its signers',
  args: { ...answerArg, ...daArgs, ...chainArgs, ...writeArgs },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const { outcome } = await judge(terminal, { args, target, level: 'result', signal })
    if (outcome.status !== 'slashable' || !outcome.challengeable) {
      return {
        data: { outcome: dataOf(outcome), filed: false },
        text: `nothing to challenge: ${whyNot(outcome)}`,
        exitCode: outcome.status === 'inconclusive' ? exitCodeOf(outcome) : exitCodes.denied,
      }
    }
    const { evidence } = outcome
    if (evidence.kind !== 'digest') {
      throw new UsageError(`A challenge of kind ${evidence.kind} takes a proof.`, {
        metaMessages: ['A challenger with a prover files it: see docs/attestation.md.'],
      })
    }
    terminal.stderr(`slashable: ${outcome.reason}: ${evidence.detail}\n`)
    return file(terminal, { args, target, signal, evidence })
  },
})

function whyNot(outcome: AttestationOutcome): string {
  if (outcome.status === 'valid') return 'the answer is valid'
  if (outcome.status === 'slashable') {
    return `${outcome.reason}, and the contract takes no challenge of a response that it does not accept`
  }
  return textOf(outcome, false)
}

/** Who signed and is not slashed yet, in one transaction: everyone in the table who is no non-signer. */
async function file(
  terminal: Terminal,
  input: {
    args: Parameters<typeof signersFor>[1]['args']
    target: ChainTarget
    signal: AbortSignal
    evidence: Evidence
  },
): Promise<CommandResult> {
  const { args, target, signal, evidence } = input
  const { addresses } = target
  const { response, certificate } = evidence
  const trees = createOperatorTrees({ client: target.client, addresses })
  const tree = await trees.operatorTreeAt(response.referenceBlock, { signal })
  if (tree === null) throw new UsageError('The operator table of the response is not on chain.')
  const silent = new Set(certificate.nonSignerWitnesses.map((one) => one.operatorIndex))
  const signed = tree.operators.flatMap((_, index) => (silent.has(index) ? [] : [index]))
  await confirmMainnet(terminal, { targets: [target], args })
  const [client] = (await signersFor(terminal, { targets: [target], args })) as [WriteClient]
  const { messageHash } = evidence
  const { slashedSigners } = createChallengeSink({ client, addresses })
  const asked = { messageHash, operatorIndices: signed }
  const slashed = (await slashedSigners?.(asked, { signal }))?.slashed ?? []
  const indices = signed.filter((index) => !slashed.includes(index))
  if (indices.length === 0) {
    return {
      data: { messageHash, signers: [], slashed, filed: false },
      text: `all ${slashed.length} signers of ${messageHash} are slashed already`,
    }
  }
  const signers = indices.map((index) => operatorWitness(tree, index))
  const parameters = { response, certificate, signers, addresses, signal }
  const { result } = await performWrite(terminal, {
    write: {
      dryRun: () => dryRunChallengeAttestationDigest(client, parameters),
      send: (hooks) =>
        challengeAttestationDigestSync(client, { ...parameters, preflight: false, ...hooks }),
    },
    args,
  })
  if (result === undefined)
    return { data: { messageHash, signers: indices, filed: false }, text: '' }
  const { transactionHash } = result
  return {
    data: { messageHash, signers: indices, filed: true, transactionHash },
    text: `slashed ${indices.length} signers of ${messageHash}`,
  }
}

/** The commands of attestations. */
export const attestation: CommandDef = group(
  'attestation',
  'What operators signed: verified from the chain, and challenged',
  { verify: async () => verify, challenge: async () => challenge },
)
