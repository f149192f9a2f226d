/** Small parts that all screens use. */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { short } from './format.js'
import type { Tone } from './verdict.js'

/** A hash: its ends, and all of it in the clipboard. */
export function Hash({ value, name }: { value: string; name: string }): ReactNode {
  const [copied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = (): void => {
    navigator.clipboard.writeText(value).then(
      () => {
        setCopied(true)
        timer.current = setTimeout(() => setCopied(false), 1_500)
      },
      () => undefined,
    )
  }
  return (
    <button
      type="button"
      className="hash"
      onClick={copy}
      title={value}
      aria-label={`Copy ${name} ${short(value)}`}
    >
      {copied ? 'copied' : short(value)}
    </button>
  )
}

const paths: Readonly<Record<Tone, string>> = {
  none: 'M8 16h16',
  busy: 'M16 7v9l6 4',
  good: 'M7.5 16.5 13.5 22.5 25 10',
  bad: 'M9 9l14 14M23 9 9 23',
  unknown: 'M12 12.5a4 4 0 1 1 5.6 3.7c-1 .5-1.6 1.2-1.6 2.4M16 23.2v.1',
}

/** A shape for a tone: colour is never the only sign. */
export function Mark({ tone }: { tone: Tone }): ReactNode {
  return (
    <svg className={`mark ${tone}`} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      {tone === 'bad' ? (
        <path className="frame" d="M10.5 2h11L30 10.5v11L21.5 30h-11L2 21.5v-11z" />
      ) : tone === 'unknown' ? (
        <path className="frame" d="M16 2 30 16 16 30 2 16z" />
      ) : (
        <circle className="frame" cx="16" cy="16" r="14" />
      )}
      <path className="sign" d={paths[tone]} />
    </svg>
  )
}

/** Facts: names and values. */
export function Facts({ children }: { children: ReactNode }): ReactNode {
  return <dl className="facts">{children}</dl>
}

/** One of them. */
export function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** A part of a screen. */
export function Panel({
  title,
  note,
  children,
}: {
  title: string
  note?: ReactNode
  children: ReactNode
}): ReactNode {
  return (
    <section className="panel">
      <h2>{title}</h2>
      {note === undefined ? null : <p className="note">{note}</p>}
      {children}
    </section>
  )
}

/** A button that says why it does nothing, where it does nothing. */
export function Action({
  children,
  onAct,
  reason,
  quiet = false,
}: {
  children: ReactNode
  onAct: () => void
  /** Why it does nothing now. */
  reason?: string | undefined
  quiet?: boolean
}): ReactNode {
  const blocked = reason !== undefined
  return (
    <span className="action">
      <button
        type="button"
        className={quiet ? 'quiet' : 'primary'}
        aria-disabled={blocked}
        onClick={() => {
          if (!blocked) onAct()
        }}
      >
        {children}
      </button>
      {blocked && reason !== '' ? <span className="reason">{reason}</span> : null}
    </span>
  )
}
