/** The switch that makes the gateway lie, and the banner while it does. */
import type { ReactNode } from 'react'
import { useSession } from './session.js'
import type { Forgery } from './state.js'

const choices: readonly { forgery: Forgery | undefined; name: string; what: string }[] = [
  { forgery: undefined, name: 'Nobody cheats', what: 'The gateway and the operators are honest.' },
  {
    forgery: 'wrong-plugin',
    name: 'Wrong plugin',
    what: 'Operators sign that another plugin than the registered one was run.',
  },
  {
    forgery: 'false-result',
    name: 'False result',
    what: 'Operators sign the opposite of what the policy decided.',
  },
  {
    forgery: 'wrong-enclave',
    name: 'Wrong enclave',
    what: 'Operators name an enclave build that is on no list.',
  },
  {
    forgery: 'stale-slot',
    name: 'Stale slot',
    what: 'Operators evaluate the policy that this contract had before, with a higher limit.',
  },
  {
    forgery: 'another-chain',
    name: 'Another chain',
    what: 'Operators sign for chain 1, and the gateway passes it off here.',
  },
]

export function ForgePanel(): ReactNode {
  const { state, dispatch } = useSession()
  return (
    <details className="forge">
      <summary>Try to cheat this page</summary>
      <fieldset>
        <legend>
          Simulated. A quorum of dishonest operators signs what you choose, with real keys; this
          page does not know which.
        </legend>
        {choices.map(({ forgery, name, what }) => (
          <label key={name}>
            <input
              type="radio"
              name="forgery"
              checked={state.forgery === forgery}
              onChange={() => dispatch({ type: 'forge', forgery })}
            />
            <span>
              <strong>{name}</strong>
              <span className="note">{what}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </details>
  )
}

export function ForgeBanner(): ReactNode {
  const { state, dispatch } = useSession()
  if (state.forgery === undefined) return null
  const choice = choices.find(({ forgery }) => forgery === state.forgery)
  return (
    <div className="banner" role="status">
      <p>
        Cheating is on: <strong>{choice?.name.toLowerCase()}</strong>. Answers are forged.
      </p>
      <button
        type="button"
        className="quiet small"
        onClick={() => dispatch({ type: 'forge', forgery: undefined })}
      >
        Stop cheating
      </button>
    </div>
  )
}
