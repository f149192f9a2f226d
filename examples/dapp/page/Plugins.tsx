/** Before anything is signed: from which source the policy's plugins were built, and who says so. */
import type { ProvenanceVerdict } from '@newton/policy-sdk'
import type { ReactNode } from 'react'
import { quoted } from './format.js'
import { type PluginView, usePlugins } from './provenance.js'
import { Fact, Facts, Hash, Mark, Panel } from './ui.js'
import type { Tone } from './verdict.js'

const words: Readonly<
  Record<ProvenanceVerdict['status'], { tone: Tone; title: string; text: string }>
> = {
  verified: {
    tone: 'good',
    title: 'Rebuilt from its source',
    text: 'Verifiers whom this page believes built the source again and got the same bytes.',
  },
  disputed: {
    tone: 'bad',
    title: 'Verifiers disagree',
    text: 'Some got the same bytes from its source, and another did not. This page does not decide who is right.',
  },
  mismatched: {
    tone: 'bad',
    title: 'Its source gives another plugin',
    text: 'What runs is not what its source says.',
  },
  unverified: {
    tone: 'unknown',
    title: 'Not verified',
    text: 'Nobody whom this page believes, or too few, built it again from its source.',
  },
}
const untold = {
  tone: 'unknown',
  title: 'Cannot be told',
  text: 'The chain could not be asked now: neither verified nor not.',
} as const

export function Plugins(): ReactNode {
  const { data, error } = usePlugins()
  return (
    <Panel
      title="Where its plugins come from"
      note="A plugin is a hash on chain. Verifiers rebuild it from its source; those of a development network are simulated."
    >
      {data !== undefined && error === null ? (
        data.map((plugin) => <Plugin key={plugin.wasmHash} plugin={plugin} />)
      ) : error === null ? (
        <p role="status">Reading the claims…</p>
      ) : (
        <Told {...untold} />
      )}
    </Panel>
  )
}

function Plugin({ plugin }: { plugin: PluginView }): ReactNode {
  const { wasmHash, verdict } = plugin
  const told = verdict === null ? untold : (words[verdict.status] ?? words.unverified)
  return (
    <div className="plugin" data-status={verdict?.status ?? 'unknown'}>
      <Told {...told} />
      <Facts>
        <Fact name="Plugin">
          <Hash value={wasmHash} name="plugin" />
        </Fact>
        {verdict?.sourceSha256 === undefined ? null : (
          <Fact name="Source archive">
            <Hash value={verdict.sourceSha256} name="source archive" />
            {verdict.sourceUri === undefined ? null : <> {quoted(verdict.sourceUri)}</>}
          </Fact>
        )}
        {verdict === null ? null : <Fact name="Build environment">{verdict.image}</Fact>}
        <Verifiers name="Confirmed by" addresses={verdict?.agreeing ?? []} />
        <Verifiers name="Denied by" addresses={verdict?.disagreeing ?? []} />
        {verdict?.reason === undefined ? null : <Fact name="Why">{quoted(verdict.reason)}</Fact>}
      </Facts>
    </div>
  )
}

function Told({ tone, title, text }: { tone: Tone; title: string; text: string }): ReactNode {
  return (
    <div className="node">
      <Mark tone={tone} />
      <div>
        <p className="node-head">
          <strong>{title}</strong>
        </p>
        <p className="note">{text}</p>
      </div>
    </div>
  )
}

function Verifiers({ name, addresses }: { name: string; addresses: readonly string[] }): ReactNode {
  if (addresses.length === 0) return null
  return (
    <Fact name={name}>
      {addresses.map((address) => (
        <Hash key={address} value={address} name="verifier" />
      ))}
    </Fact>
  )
}
