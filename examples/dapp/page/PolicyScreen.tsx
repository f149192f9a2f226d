/** The client's policy as a tree: what hangs on what, and what is missing. */

import { usePolicy } from '@newton/policy-sdk/react'
import type { DescribeNode } from '@newton/policy-sdk/registry'
import { type ReactNode, useMemo, useState } from 'react'
import { createClient, hexToString, http } from 'viem'
import { getBlockNumber } from 'viem/actions'
import { useNetwork } from './config.js'
import { quoted } from './format.js'
import { createPageProvenance } from './provenance.js'
import { useSession } from './session.js'
import { artifacts, committedBy, envelopes } from './sources.js'
import { leavesOf } from './TransferScreen.js'
import { Action, Hash, Mark, Panel } from './ui.js'
import type { Tone } from './verdict.js'
import { problemOfError } from './words.js'

const tones: Readonly<Record<DescribeNode['status'], Tone>> = {
  ok: 'good',
  missing: 'bad',
  stale: 'unknown',
  pending: 'busy',
  disputed: 'bad',
  unavailable: 'none',
}
const statusWords: Readonly<Record<DescribeNode['status'], string>> = {
  ok: 'in place',
  missing: 'missing',
  stale: 'not current',
  pending: 'waiting for a commit',
  disputed: 'denied by verifiers',
  unavailable: 'not known',
}

export function PolicyScreen(): ReactNode {
  const network = useNetwork()
  const { client, chainId, addresses, rpcUrl } = network
  const { registry } = useSession()
  const chain = useMemo(() => createClient({ transport: http(rpcUrl) }), [rpcUrl])
  const checks = useMemo(
    () => ({
      artifacts,
      committed: committedBy(network),
      provenance: createPageProvenance(network),
      secrets: {
        getSecretsStatus: async ({
          policyDataInstanceId,
        }: {
          policyDataInstanceId: `0x${string}`
        }) => {
          // At a block that is there: where it cannot be asked, that is no "missing".
          const block = await getBlockNumber(chain)
          const envelope = await envelopes.getEnvelope({ policyDataInstanceId, block })
          return envelope === null ? ('missing' as const) : ('present' as const)
        },
      },
    }),
    [network, chain],
  )
  const { data, error, refetch, isPending } = usePolicy({
    ...{ client, chainId, addresses, registry, checks },
  })
  if (error !== null) {
    const problem = problemOfError(error)
    return (
      <Panel title="The policy could not be read">
        <p role="alert">{problem.why}</p>
        <Action
          quiet
          onAct={() => {
            void refetch()
          }}
        >
          Try again
        </Action>
      </Panel>
    )
  }
  if (isPending || data === undefined) return <p role="status">Reading the policy…</p>
  const { snapshot, tree } = data
  const params = paramsOf(data)
  return (
    <>
      <p className="lead">
        Read at block {snapshot.block.number.toString()}. Every id is a hash of what it names: rows
        and files were checked against them here.
      </p>
      <div className="panel">
        <h2 className="hidden">Tree</h2>
        <ul className="tree">
          <TreeNode node={tree} params={params} />
        </ul>
      </div>
    </>
  )
}

type Params = ReadonlyMap<string, { values: [string, string][]; expireAfter: bigint }>

/** Params and lifetimes by instance. */
function paramsOf({ snapshot }: NonNullable<ReturnType<typeof usePolicy>['data']>): Params {
  const rows = [
    [snapshot.policyInstanceId, snapshot.policyInstance] as const,
    ...snapshot.data.map(({ instanceId, instance }) => [instanceId, instance] as const),
  ]
  return new Map(
    rows.flatMap(([id, row]) =>
      id === null || row === null
        ? []
        : [
            [
              id.toLowerCase(),
              {
                values: leavesOf(JSON.parse(hexToString(row.params) || '{}')),
                expireAfter: row.expireAfter,
              },
            ] as const,
          ],
    ),
  )
}

function TreeNode({ node, params }: { node: DescribeNode; params: Params }): ReactNode {
  const [open, setOpen] = useState(true)
  const { kind, id, label, status, detail, next, children } = node
  const own = id === null ? undefined : params.get(id.toLowerCase())
  const shown = kind === 'secrets' ? undefined : own
  const name = label.charAt(0).toUpperCase() + label.slice(1)
  return (
    <li>
      <div className="node">
        <Mark tone={tones[status]} />
        <div>
          <p className="node-head">
            {children.length === 0 ? (
              <strong>{name}</strong>
            ) : (
              <button
                type="button"
                className="disclose"
                aria-expanded={open}
                onClick={() => setOpen(!open)}
              >
                {name}
              </button>
            )}
            <span className={`status ${tones[status]}`}>
              {kind === 'secrets' && status === 'ok' ? 'present' : statusWords[status]}
            </span>
            {id === null ? null : <Hash value={id} name={label} />}
          </p>
          <p className="note">{quoted(detail)}</p>
          {shown === undefined ? null : (
            <dl className="facts tight">
              {shown.values.map(([path, value]) => (
                <div key={path}>
                  <dt>{path}</dt>
                  <dd>{quoted(value)}</dd>
                </div>
              ))}
              <div>
                <dt>results valid</dt>
                <dd>{shown.expireAfter.toString()} blocks</dd>
              </div>
            </dl>
          )}
          {next === undefined ? null : (
            <p className="note">
              To do: <code>{next}</code>
            </p>
          )}
        </div>
      </div>
      {children.length === 0 || !open ? null : (
        <ul>
          {children.map((child, index) => (
            <TreeNode
              key={`${child.kind} ${child.id ?? index} ${child.label}`}
              node={child}
              params={params}
            />
          ))}
        </ul>
      )}
    </li>
  )
}
