/** `ledger verify-bundle`: one evaluation as one file, and what a node of one's own says of the chain. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { stateCommitRegistryAbi } from '../../../core/abi/index.js'
import type { ExecutionHeader } from '../../../core/ethereum/header.js'
import { decodeResponse } from '../../../core/response.js'
import {
  type BundleTrust,
  type EvaluationBundle,
  parseEvaluationBundle,
  verifyEvaluationBundle,
} from '../../../registry/bundle/index.js'
import { type OptionalPart, optionalParts } from '../../../registry/bundle/trust.js'
import { resolveAddress } from '../../../registry/chain/addresses.js'
import { createCertificateReader } from '../../../registry/index.js'
import { type ChainTarget, chainArgs, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'
import { finalityArgs, finalityOf } from '../provenance/sources.js'
import { readerArgs, trustOf } from './sources.js'

/** `ledger verify-bundle`. */
export const verifyBundle: CommandDef = command({
  name: 'verify-bundle',
  example:
    'newton-policy ledger verify-bundle evaluation.json --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0 --policy trust.txt --writer sha256:… --chain sepolia --demand tree',
  description:
    'Verify a bundle of one evaluation: attestation, both ledger proofs, tree, anchor; exit code 3 where it is not verified',
  args: {
    file: { type: 'positional', description: 'The bundle', required: true },
    ...{ ledger: readerArgs.ledger, log: readerArgs.log, policy: readerArgs.policy },
    writer: {
      type: 'string',
      description: 'Key ids of who may log evaluations, with commas between them',
      required: true,
      valueHint: 'sha256:…',
    },
    'anchor-owner': {
      type: 'string',
      description: 'Address that sends the log’s checkpoints: of nobody else anchors count',
      valueHint: 'address',
    },
    demand: {
      type: 'string',
      description: `Parts that must be there: ${optionalParts.join(', ')}`,
      valueHint: 'part,…',
    },
    ...finalityArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const demand = (args.demand ?? '').split(',').filter((part) => part !== '') as OptionalPart[]
    const unknown = demand.find((part) => !optionalParts.includes(part))
    if (unknown !== undefined) throw new UsageError(`--demand is of ${optionalParts.join(', ')}.`)
    const file = await readBytes(terminal, args.file)
    const meta = await trustOf(terminal, args)
    const target = await chainOf(terminal, args)
    const writers = args.writer.split(',').map((writer) => writer.trim())
    const trust: BundleTrust = {
      ...(await chainTrust(target, { file, signal })),
      ledger: { name: args.ledger, meta, writers },
      demand,
    }
    const owner = args['anchor-owner'] as Hex | undefined
    if (owner !== undefined) {
      trust.anchor = await anchorTrust(target, { file, trust, owner, finality: finalityOf(args) })
    }
    const verdict = verifyEvaluationBundle(file, trust)
    const lines = Object.entries(verdict.checks).map(
      ([name, check]) => `${name}: ${check.status}${'reason' in check ? ` (${check.reason})` : ''}`,
    )
    const { evaluation } = verdict
    const decided = evaluation === undefined ? '' : `: ${evaluation.allowed ? 'allow' : 'deny'}`
    return {
      data: verdict,
      text: [...lines, `${verdict.status}${decided}`].join('\n'),
      exitCode: verdict.status === 'verified' ? exitCodes.done : exitCodes.denied,
    }
  },
})

/** The bundle, where it is one: what is none, the verifier says. */
function read(file: Uint8Array): EvaluationBundle | undefined {
  try {
    return parseEvaluationBundle(file)
  } catch {
    return undefined
  }
}

/** The operator table in force at the evaluation's block, and its root where the chain knows it. */
async function chainTrust(
  { client, addresses, chain }: ChainTarget,
  { file, signal }: { file: Uint8Array; signal: AbortSignal },
): Promise<Pick<BundleTrust, 'operators' | 'stateRoots'>> {
  const policyRegistry = resolveAddress('policyRegistry', { addresses, chainId: chain.id })
  const operators = { chainId: BigInt(chain.id), policyRegistry, tables: [], quorumBps: 10_000 }
  const bundle = read(file)
  const block = bundle && referenceBlockOf(bundle)
  if (bundle === undefined || block === undefined) return { operators }
  const certificates = await createCertificateReader({ client, addresses }, { signal })
  const found = await certificates.tableAt(block, { signal })
  const root = bundle.tree?.root
  const isKnown =
    root !== undefined &&
    (await client.readContract({
      address: resolveAddress('stateCommitRegistry', { addresses, chainId: chain.id }),
      ...{ abi: stateCommitRegistryAbi, functionName: 'isKnownRoot', args: [root as Hex] },
    }))
  return {
    operators:
      found === null
        ? operators
        : {
            ...{ ...operators, quorumBps: found.quorumBps },
            tables: [{ referenceTimestamp: found.referenceTimestamp, table: found.table }],
          },
    stateRoots: isKnown ? [root as Hex] : [],
  }
}

function referenceBlockOf({ attestation }: EvaluationBundle): bigint | undefined {
  try {
    return BigInt(decodeResponse(attestation.response).referenceBlock)
  } catch {
    return undefined
  }
}

/** Anchors under blocks that the node has at their height, and that are final as asked. */
async function anchorTrust(
  { client, addresses, chain }: ChainTarget,
  given: {
    file: Uint8Array
    trust: BundleTrust
    owner: Hex
    finality: 'finalized' | 'safe' | 'latest'
  },
): Promise<NonNullable<BundleTrust['anchor']>> {
  const { file, trust, owner, finality } = given
  const contract = resolveAddress('checkpointAnchor', { addresses, chainId: chain.id })
  const named: ExecutionHeader[] = []
  const asked = { chainId: chain.id, contract, owner }
  const isTrusted = (header: ExecutionHeader): boolean => named.push(header) > 0
  // Which blocks it speaks of; what it says of them counts only below.
  verifyEvaluationBundle(file, { ...trust, anchor: { ...asked, isTrusted } })
  const { number: newest } = await client.getBlock({ blockTag: finality })
  const known = new Set<Hex>()
  for (const { number, hash } of named) {
    if (newest === null || number > newest) continue
    const block = await client.getBlock({ blockNumber: number })
    if (block.hash === hash) known.add(hash)
  }
  return { ...asked, isTrusted: ({ hash }) => known.has(hash) }
}
