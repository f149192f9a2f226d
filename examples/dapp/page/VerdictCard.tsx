/** Where the one verdict is shown. */
import type { ReactNode } from 'react'
import { quoted } from './format.js'
import { Hash, Mark } from './ui.js'
import type { Verdict } from './verdict.js'

const settled = new Set(['refused', 'valid-deny'])

/** The verdict, with what may be done as `children`. */
export function VerdictCard({
  verdict,
  children,
}: {
  verdict: Verdict
  children?: ReactNode
}): ReactNode {
  const { tone, state, title, text, reasons, problem, intentHash } = verdict
  return (
    <section className={`verdict ${tone}`} aria-labelledby="verdict-title" data-state={state}>
      <div className="verdict-head" role={settled.has(state) ? 'alert' : 'status'}>
        <Mark tone={tone} />
        <div>
          <h2 id="verdict-title">{title}</h2>
          <p>{quoted(text)}</p>
        </div>
      </div>
      {reasons.length === 0 ? null : (
        <div className="reasons">
          <p className="note">In the policy’s own words</p>
          <ul>
            {reasons.map((reason) => (
              <li key={reason}>
                <q>{quoted(reason)}</q>
              </li>
            ))}
          </ul>
        </div>
      )}
      {problem === undefined ? null : (
        <div className="problem">
          <p>{problem.meaning}</p>
          <p>{quoted(problem.next)}</p>
          <p className="code">
            <code>{problem.code}</code>
          </p>
        </div>
      )}
      {intentHash === undefined ? null : (
        <p className="about">
          About the transfer with hash <Hash value={intentHash} name="intent hash" />, and no other
        </p>
      )}
      {children === undefined ? null : <div className="actions">{children}</div>}
    </section>
  )
}
