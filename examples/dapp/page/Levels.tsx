/** The levels of the verification, in their order. */
import type { LevelState, LevelView } from '@newton/policy-sdk/react'
import type { ReactNode } from 'react'
import { Mark, Panel } from './ui.js'
import type { Tone } from './verdict.js'
import { levelNames, levelStates } from './words.js'

const tones: Readonly<Record<LevelState, Tone>> = {
  waiting: 'none',
  checking: 'busy',
  passed: 'good',
  failed: 'bad',
  undecided: 'unknown',
  'not-reached': 'none',
  'not-asked': 'none',
}

export function Levels({ levels }: { levels: readonly LevelView[] }): ReactNode {
  return (
    <Panel
      title="Level by level"
      note="Each includes those before it. This page acts on nothing less than all."
    >
      <ol className="levels">
        {levels.map(({ level, state }) => {
          const { name, what } = levelNames[level]
          return (
            <li key={level} data-level={level} data-state={state}>
              <Mark tone={tones[state]} />
              <div>
                <p>
                  <strong>{name}</strong>
                  <span className="hidden">: </span>
                  <span className={`status ${tones[state]}`}>{levelStates[state]}</span>
                </p>
                <p className="note">{what}</p>
              </div>
            </li>
          )
        })}
      </ol>
    </Panel>
  )
}
