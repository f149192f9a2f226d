/** The transfer: what is to be sent, what the policy would say of it, and the question to operators. */
import type { Intent } from '@newton/policy-sdk'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { type Address, getAddress, isAddress, parseEther } from 'viem'
import { useConnection } from 'wagmi'
import { useNetwork } from './config.js'
import { ForgePanel } from './Forge.js'
import { ago, ether, quoted } from './format.js'
import { Plugins } from './Plugins.js'
import { useSession } from './session.js'
import { Action, Fact, Facts, Panel } from './ui.js'
import { VerdictCard } from './VerdictCard.js'

export function TransferScreen(): ReactNode {
  return (
    <>
      <p className="lead">
        The contract pays out only what its policy allows. See what the policy says first; then let
        operators evaluate it, and verify their answer here.
      </p>
      <div className="columns">
        <div>
          <TransferForm />
          <Plugins />
          <ForgePanel />
        </div>
        <div>
          <Verdict />
          <Inputs />
        </div>
      </div>
    </>
  )
}

type Errors = { to?: string; amount?: string }

function TransferForm(): ReactNode {
  const { state, dispatch } = useSession()
  const { recipients, accounts, chainId } = useNetwork()
  const { address } = useConnection()
  const { to, amount } = state.draft
  const [errors, setErrors] = useState<Errors>({})
  const summary = useRef<HTMLDivElement>(null)
  const found = Object.entries(errors)
  useEffect(() => {
    if (found.length > 0) summary.current?.focus()
  }, [found.length])
  const from = address ?? (accounts[0] as Address)
  const check = (event: FormEvent): void => {
    event.preventDefault()
    const wrong = errorsOf(state.draft)
    setErrors(wrong)
    if (Object.keys(wrong).length > 0) return
    const intent: Intent = {
      ...{ from, to: getAddress(to), value: parseEther(amount), data: '0x' },
      ...{ chainId: BigInt(chainId), functionSignature: '0x' },
    }
    dispatch({ type: 'check', intent })
  }
  return (
    <form className="panel" noValidate onSubmit={check} aria-labelledby="form-title">
      <h2 id="form-title">Transfer</h2>
      {found.length === 0 ? null : (
        <div className="summary" role="alert" tabIndex={-1} ref={summary}>
          <p>This cannot be checked yet:</p>
          <ul>
            {found.map(([field, text]) => (
              <li key={field}>
                <button type="button" className="link" onClick={() => focusOn(field)}>
                  {text}
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <Field name="to" label="Recipient" error={errors.to}>
        <input
          id="to"
          value={to}
          onChange={(event) => dispatch({ type: 'edit', draft: { to: event.target.value } })}
          placeholder="0x…"
          autoComplete="off"
          spellCheck={false}
          aria-invalid={errors.to !== undefined}
          aria-describedby={errors.to === undefined ? undefined : 'to-error'}
          className="mono"
        />
      </Field>
      <div className="choices">
        <span className="note">Try</span>
        {(
          [
            ['somebody harmless', recipients.friend],
            ['somebody on a sanctions list', recipients.listed],
          ] as const
        ).map(([label, value]) => (
          <button
            key={value}
            type="button"
            className="link"
            onClick={() => dispatch({ type: 'edit', draft: { to: getAddress(value) } })}
          >
            {label}
          </button>
        ))}
      </div>
      <Field name="amount" label="Amount in ETH" error={errors.amount}>
        <input
          id="amount"
          inputMode="decimal"
          value={amount}
          onChange={(event) => dispatch({ type: 'edit', draft: { amount: event.target.value } })}
          autoComplete="off"
          aria-invalid={errors.amount !== undefined}
          aria-describedby={errors.amount === undefined ? undefined : 'amount-error'}
        />
      </Field>
      <p className="note">
        {address === undefined
          ? 'No wallet is connected: checked as the first development account. You can look at everything, and send nothing.'
          : 'Checked as your account.'}
      </p>
      <button type="submit" className="primary">
        Check the transfer
      </button>
    </form>
  )
}

function Field({
  name,
  label,
  error,
  children,
}: {
  name: string
  label: string
  error: string | undefined
  children: ReactNode
}): ReactNode {
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      {children}
      {error === undefined ? null : (
        <p className="error" id={`${name}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}

function errorsOf({ to, amount }: { to: string; amount: string }): Errors {
  const errors: Errors = {}
  if (!isAddress(to, { strict: false })) {
    errors.to = 'The recipient is an address: 0x and 40 hexadecimal digits'
  }
  if (!/^\d{1,9}(\.\d{1,18})?$/.test(amount) || Number(amount) === 0) {
    errors.amount = 'The amount is a number of ether above 0, such as 0.5'
  }
  return errors
}

function focusOn(field: string): void {
  document.getElementById(field)?.focus()
}

function Verdict(): ReactNode {
  const { verdict, ask, cancel, state, dispatch, forecast } = useSession()
  const { chainId: ours } = useNetwork()
  const { status, chainId } = useConnection()
  const { phase } = state
  const why =
    status !== 'connected'
      ? 'Connect a wallet first: an evaluation is for your account.'
      : chainId !== ours
        ? `Your wallet is on chain ${chainId}.`
        : verdict.may === 'ask'
          ? undefined
          : ''
  return (
    <VerdictCard verdict={verdict}>
      {phase.at === 'checked' && verdict.state !== 'unknown' ? (
        <Action onAct={ask} reason={verdict.may === 'ask' ? why : blockedBy(verdict.state)}>
          Ask the operators
        </Action>
      ) : null}
      {verdict.state === 'unknown' ? (
        <Action onAct={forecast.retry} quiet>
          Try again
        </Action>
      ) : null}
      {phase.at === 'asking' ? (
        <Action onAct={cancel} quiet>
          Cancel
        </Action>
      ) : null}
      {'answer' in phase ? (
        <a className="button" href={`#/verify/${phase.answer.taskId}`}>
          See how it is verified
        </a>
      ) : null}
      {phase.at === 'no-decision' ? (
        <Action onAct={() => dispatch({ type: 'again' })} quiet>
          Start again
        </Action>
      ) : null}
    </VerdictCard>
  )
}

function blockedBy(state: string): string {
  return state === 'would-refuse'
    ? 'Blocked: the policy would refuse it.'
    : 'Wait until it is checked.'
}

/** What the forecast rests on. */
function Inputs(): ReactNode {
  const { forecast, state } = useSession()
  const { data } = forecast
  if (state.phase.at !== 'checked' || data === undefined) return null
  const { value } = state.phase.intent
  return (
    <Panel
      title="What it rests on"
      note="Inputs of the forecast. Operators fetch theirs themselves, inside their enclaves."
    >
      <Facts>
        <Fact name="Amount">{ether(value)}</Fact>
        <Fact name="Read at block">{data.block.number.toString()}</Fact>
        {data.inputs.flatMap(({ policyDataTemplateId, output, source, asOf }) => [
          ...leavesOf(output).map(([name, text]) => (
            <Fact key={`${policyDataTemplateId} ${name}`} name={name}>
              {quoted(text)}
            </Fact>
          )),
          <Fact key={`${policyDataTemplateId} source`} name="From">
            {quoted(source ?? 'not said')}
            {asOf === undefined ? '' : `, ${ago(asOf, Date.now())}`}
          </Fact>,
        ])}
      </Facts>
    </Panel>
  )
}

/** Members of an output with their paths. */
export function leavesOf(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]]
  return Object.entries(value).flatMap(([name, member]) =>
    leavesOf(member, path === '' ? name : `${path}.${name}`),
  )
}
