/** What the screens share: the state, the readers, and the verdict that is computed from both. */
import type { CertificateReader, RegistryReader } from '@newton/policy-sdk'
import { encodeWasmArgs } from '@newton/policy-sdk/eval'
import { knownTables, type UnverifiedAnswer } from '@newton/policy-sdk/operator'
import {
  certificateReaderQueryOptions,
  type Forecast,
  registryReaderQueryOptions,
  type UseVerifiedAttestationResult,
  useEvaluation,
  useSimulate,
  useVerifiedAttestation,
} from '@newton/policy-sdk/react'
import { createProvenReaders } from '@newton/policy-sdk/registry'
import { useQuery } from '@tanstack/react-query'
import {
  createContext,
  type Dispatch,
  type ReactNode,
  useContext,
  useMemo,
  useReducer,
  useRef,
  useState,
} from 'react'
import { useNetwork } from './config.js'
import { artifacts, envelopes, screening } from './sources.js'
import { type Action, initialState, reduce, type State } from './state.js'
import { judge, type Verdict } from './verdict.js'
import { problemOfError } from './words.js'

export type Session = {
  state: State
  dispatch: Dispatch<Action>
  verdict: Verdict
  forecast: { data: Forecast | undefined; retry: () => void }
  verification: UseVerifiedAttestationResult
  registry: RegistryReader | undefined
  certificates: CertificateReader | undefined
  /** What the node proved of the block that the answer rests on. */
  proofs: Proofs
  /** A block hash that the visitor brought. */
  ownHash: string
  setOwnHash: (hash: string) => void
  ask: () => void
  cancel: () => void
}

/** Whether values at the reference block are proved, or the node's word. */
export type Proofs =
  | { state: 'none' | 'asking' }
  | { state: 'proved'; facts: ReadonlySet<string> }
  | { state: 'refused'; why: string }

const SessionContext = createContext<Session | undefined>(undefined)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (session === undefined) throw new TypeError('there is no session')
  return session
}

/** Where the gateway of the moment is: the real one, or the one that lies. */
export function gatewayUrlOf(gatewayUrl: string, forgery: State['forgery']): string {
  return forgery === undefined ? gatewayUrl : `${globalThis.location.origin}/forged/${forgery}`
}

export function SessionProvider({ children }: { children: ReactNode }): ReactNode {
  const network = useNetwork()
  const { wagmi, chainId, addresses, client, documents } = network
  const [state, dispatch] = useReducer(reduce, initialState)
  const [ownHash, setOwnHash] = useState('')
  const { phase, forgery } = state
  const { data: registry } = useQuery(registryReaderQueryOptions(wagmi, { chainId, addresses }))
  const { data: certificates } = useQuery(
    certificateReaderQueryOptions(wagmi, { chainId, addresses }),
  )
  const intent = phase.at === 'checked' ? phase.intent : undefined
  const shared = { chainId, addresses, artifacts, envelopes, registry, certificates }
  const forecast = useSimulate({ ...shared, client, intent, inputs: screening })
  const answer: UnverifiedAnswer | undefined = 'answer' in phase ? phase.answer : undefined
  const { proofs, readers, scopeKey } = useProvenReaders(answer, { registry, certificates })
  const verification = useVerifiedAttestation({
    ...{ ...shared, ...readers, documents, scopeKey, acceptance: true },
    answer: proofs.state === 'asking' ? undefined : answer,
  })
  const { ask, cancel } = useAsking({ state, dispatch, shared })

  const otherRoot =
    answer !== undefined &&
    /^0x[\da-f]{64}$/i.test(ownHash) &&
    ownHash.toLowerCase() !== answer.response.referenceBlockHash.toLowerCase()
  const verdict = judge({
    ...{ phase, forgery, otherRoot },
    forecast: { data: forecast.data, error: forecast.isFetching ? null : forecast.error },
    outcome: verification.isFetching ? undefined : verification.data,
    failure: verification.error,
  })
  const session: Session = {
    ...{ state, dispatch, verdict, verification, registry, certificates, ownHash, setOwnHash },
    ...{ ask, cancel, proofs },
    forecast: {
      data: forecast.data,
      retry: () => {
        void forecast.refetch()
      },
    },
  }
  return <SessionContext value={session}>{children}</SessionContext>
}

/**
 * Readers that believe the node nothing about the reference block but what it proves against the
 * block's hash. Where it gives no proofs, the page goes on with its word, and says so.
 */
function useProvenReaders(
  answer: UnverifiedAnswer | undefined,
  plain: { registry: RegistryReader | undefined; certificates: CertificateReader | undefined },
): {
  proofs: Proofs
  readers: Partial<Record<'registry', RegistryReader> & Record<'certificates', CertificateReader>>
  scopeKey: string
} {
  const { wagmi, addresses } = useNetwork()
  const { registry, certificates } = plain
  const blockHash = answer?.response.referenceBlockHash
  const { data, error } = useQuery({
    queryKey: ['proven', blockHash],
    enabled: blockHash !== undefined && registry !== undefined && certificates !== undefined,
    retry: false,
    structuralSharing: false,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      if (registry === undefined || certificates === undefined || blockHash === undefined) {
        throw new TypeError('nothing to prove')
      }
      const facts = new Set<string>()
      const proven = await createProvenReaders(
        {
          ...{ client: wagmi.getClient(), registry, certificates, addresses, blockHash },
          onProof: ({ what }) => facts.add(what),
        },
        { signal },
      )
      // Whether it gives proofs at all is found out before anything rests on them.
      await proven.registry.enclaveRequiredAt(proven.block.number, { signal })
      return { facts, registry: proven.registry, certificates: proven.certificates }
    },
  })
  if (blockHash === undefined) return { proofs: { state: 'none' }, readers: {}, scopeKey: 'none' }
  if (data !== undefined) {
    const { facts, ...readers } = data
    return { proofs: { state: 'proved', facts }, readers, scopeKey: 'proved' }
  }
  if (error !== null) {
    const why = problemOfError(error).why
    return { proofs: { state: 'refused', why }, readers: {}, scopeKey: 'word' }
  }
  return { proofs: { state: 'asking' }, readers: {}, scopeKey: 'asking' }
}

/** Asks operators for exactly the intent that was checked. */
function useAsking({
  state,
  dispatch,
  shared,
}: {
  state: State
  dispatch: Dispatch<Action>
  shared: Omit<Parameters<typeof useEvaluation>[0], 'gateway'>
}): Pick<Session, 'ask' | 'cancel'> {
  const { gatewayUrl, table, client, documents } = useNetwork()
  const controller = useRef(new AbortController())
  const { certificates } = shared
  const tables = useMemo(
    () => (certificates === undefined ? undefined : knownTables({ certificates, tables: [table] })),
    [certificates, table],
  )
  const evaluation = useEvaluation({
    ...{ ...shared, documents, tables, verify: false },
    gateway: { url: gatewayUrlOf(gatewayUrl, state.forgery) },
    onSent: ({ taskId }) => dispatch({ type: 'sent', taskId }),
  })
  const { phase } = state
  return {
    cancel: () => controller.current.abort(new DOMException('It was cancelled', 'AbortError')),
    ask: () => {
      if (phase.at !== 'checked') return
      const { intent } = phase
      controller.current = new AbortController()
      const { signal } = controller.current
      dispatch({ type: 'ask', since: Date.now() })
      evaluation.mutate(
        {
          ...{ policyClient: client, intent, signal },
          wasmArgs: encodeWasmArgs({ address: intent.to }),
          // The first run compiles the plugin, in every enclave.
          timeout: 90_000,
        },
        {
          onSuccess: (answer) => {
            dispatch({ type: 'answered', answer })
            globalThis.location.hash = `#/verify/${answer.taskId}`
          },
          onError: (error) => dispatch({ type: 'no-decision', problem: problemOfError(error) }),
        },
      )
    },
  }
}
