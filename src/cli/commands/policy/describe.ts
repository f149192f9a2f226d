/** `policy describe`: what a policy needs, what is there, and the next command. */
import type { CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import {
  createRegistryReader,
  type DescribeNode,
  type DescribeTarget,
  describePolicy,
  flattenNodes,
} from '../../../registry/index.js'
import { daArgs, daOf, sourceOf } from '../../config/artifactStore.js'
import { type ChainTarget, chainArgs, chainOf, openChains } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import type { Terminal } from '../../terminal/output.js'
import { provenanceOf, sourceArgs, trustArgs } from '../provenance/sources.js'
import { failureRow, matrixResult, onEach } from '../registry/matrix.js'

/** `policy describe`. */
export const describe: CommandDef = command({
  name: 'describe',
  example: 'newton-policy policy describe --client 0x…',
  description: 'Draw what a policy rests on, what is missing, and the next command.',
  args: {
    'policy-instance': { type: 'string', description: 'Id of an instance', valueHint: 'id' },
    'policy-template': { type: 'string', description: 'Id of a template', valueHint: 'id' },
    client: { type: 'string', description: 'Address of a client', valueHint: '0x…' },
    'all-chains': {
      type: 'boolean',
      description: 'A template on all chains of the profile',
      default: false,
    },
    ...trustArgs,
    ...sourceArgs,
    ...daArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const subject = subjectOf(args)
    if (args['all-chains'] && subject.policyTemplate === undefined) {
      throw new UsageError('--all-chains goes with --policy-template: instances have one chain.')
    }
    const opened = args['all-chains']
      ? await openChains(terminal, { names: undefined, args })
      : { targets: [await chainOf(terminal, args)], unopened: [] }
    const { rows, failures } = await onEach(opened, async (target) => ({
      node: await describeOn(terminal, { target, subject, args, signal }),
    }))
    signal.throwIfAborted()
    const [first] = rows
    if (first === undefined && failures[0] !== undefined) throw failures[0].error
    const missing = rows.every(({ node }) => node.status === 'missing')
    const lines = rows.map(({ chain, node }, index) => {
      const drawn = drawTree(node).join('\n')
      return args['all-chains'] ? `${index === 0 ? '' : '\n'}${chain}\n${drawn}` : drawn
    })
    return matrixResult(terminal, {
      failures,
      data: args['all-chains']
        ? { chains: [...rows, ...failures.map(failureRow)] }
        : (first?.node as DescribeNode),
      lines,
      missing: missing
        ? {
            message: `${first?.node.label} is not there: ${first?.node.detail}`,
            // People were told below the tree.
            hint: args.json ? nextOf(first?.node as DescribeNode).join('\n') : '',
          }
        : undefined,
    })
  },
})

function subjectOf(args: {
  'policy-instance'?: string | undefined
  'policy-template'?: string | undefined
  client?: string | undefined
}): DescribeTarget {
  const given = [args['policy-instance'], args['policy-template'], args.client]
  if (given.filter((value) => value !== undefined).length !== 1) {
    throw new UsageError('Name one of --policy-instance, --policy-template and --client.')
  }
  if (args['policy-instance'] !== undefined)
    return { policyInstance: args['policy-instance'] as Hex }
  return args.client === undefined
    ? { policyTemplate: args['policy-template'] as Hex }
    : { client: args.client as Address }
}

async function describeOn(
  terminal: Terminal,
  parameters: {
    target: ChainTarget
    subject: DescribeTarget
    args: {
      da?: string | undefined
      trust?: string | undefined
      'allow-private'?: boolean | undefined
    }
    signal: AbortSignal
  },
): Promise<DescribeNode> {
  const { target, subject, args, signal } = parameters
  const { client, addresses, profile } = target
  const reader = await createRegistryReader({ client, addresses }, { signal })
  const artifacts = sourceOf(daOf(terminal, { args, profile }))
  const provenance =
    args.trust === undefined
      ? undefined
      : await provenanceOf(terminal, { target, args, signal, trust: args.trust })
  return describePolicy({ ...subject, reader, checks: { artifacts, provenance } }, { signal })
}

const marks = {
  ok: '✓',
  missing: '✗',
  pending: '…',
  stale: '!',
  disputed: '≠',
  unavailable: '?',
} as const

/** A detail that has lines of its own would draw nodes of its own. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ')
}

/** The tree as lines: state, what, detail; then what to run for each node that wants something. */
export function drawTree(root: DescribeNode): string[] {
  const lines: string[] = []
  const draw = (node: DescribeNode, prefix: string, branch: string, below: string): void => {
    const id = node.id === null ? '' : ` ${node.id}`
    lines.push(
      `${prefix}${branch}${marks[node.status]} ${node.label}${id}: ${oneLine(node.detail)}`,
    )
    for (const [index, child] of node.children.entries()) {
      const last = index === node.children.length - 1
      draw(child, `${prefix}${below}`, last ? '└─ ' : '├─ ', last ? '   ' : '│  ')
    }
  }
  draw(root, '', '', '')
  const next = nextOf(root)
  if (next.length > 0) lines.push('', 'next:', ...next.map((line) => `  ${line}`))
  return lines
}

/** What to run, each once. */
function nextOf(root: DescribeNode): string[] {
  return [...new Set(flattenNodes(root).flatMap((node) => node.next ?? []))]
}
