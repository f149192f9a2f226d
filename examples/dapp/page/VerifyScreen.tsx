/** The verification: from which block, level by level, with tree proofs and the enclave's document. */
import { namespaces } from '@newton/policy-sdk'
import { guardedTransferAbi } from '@newton/policy-sdk/abi'
import { computeCertificateHash } from '@newton/policy-sdk/attestation'
import { createTaskClient, knownTables, type UnverifiedAnswer } from '@newton/policy-sdk/operator'
import { acceptResponseSync, waitForReceipt } from '@newton/policy-sdk/registry'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import type { Hex } from 'viem'
import { writeContract } from 'viem/actions'
import { useConnection } from 'wagmi'
import { getWalletClient } from 'wagmi/actions'
import { Anchor } from './Anchor.js'
import { useNetwork } from './config.js'
import { EnclaveDocument } from './EnclaveDocument.js'
import { ForgePanel } from './Forge.js'
import { ether, quoted } from './format.js'
import { Levels } from './Levels.js'
import { Plugins } from './Plugins.js'
import { gatewayUrlOf, useSession } from './session.js'
import { artifacts, envelopes, proveArtifact } from './sources.js'
import { leavesOf } from './TransferScreen.js'
import { Action, Fact, Facts, Hash, Mark, Panel } from './ui.js'
import { VerdictCard } from './VerdictCard.js'
import { problemOfError } from './words.js'

export function VerifyScreen({ taskId }: { taskId: Hex | undefined }): ReactNode {
  const { state } = useSession()
  const { phase } = state
  const shown = 'answer' in phase ? phase.answer : undefined
  const isShown = shown !== undefined && (taskId === undefined || shown.taskId === taskId)
  return isShown ? <Answer answer={shown} /> : <Lookup key={taskId} taskId={taskId} />
}

/** Finds an answer by its task: from a link, by whoever wants to look, with no wallet. */
function Lookup({ taskId }: { taskId: Hex | undefined }): ReactNode {
  const { state, dispatch, registry, certificates } = useSession()
  const { gatewayUrl, documents, table } = useNetwork()
  const [text, setText] = useState(taskId ?? '')
  const fetching = useMutation({
    mutationFn: async (id: Hex): Promise<UnverifiedAnswer> => {
      if (registry === undefined || certificates === undefined) {
        throw new TypeError('the node has not answered yet')
      }
      const tasks = createTaskClient({
        gateway: { url: gatewayUrlOf(gatewayUrl, state.forgery) },
        tables: knownTables({ certificates, tables: [table] }),
        reader: { registry, certificates, artifacts, envelopes, documents, replayer: never },
      })
      return tasks.getAnswer(id)
    },
    onSuccess: (answer) => {
      dispatch({ type: 'answered', answer })
      globalThis.location.hash = `#/verify/${answer.taskId}`
    },
  })
  const { mutate } = fetching
  const ready = registry !== undefined && certificates !== undefined
  const looked = useRef<Hex | undefined>(undefined)
  useEffect(() => {
    // A link is looked up by itself, once.
    if (taskId === undefined || !ready || looked.current === taskId) return
    looked.current = taskId
    mutate(taskId)
  }, [taskId, ready, mutate])
  const isId = /^0x[\da-f]{64}$/i.test(text.trim())
  const look = (event: FormEvent): void => {
    event.preventDefault()
    if (isId) fetching.mutate(text.trim().toLowerCase() as Hex)
  }
  return (
    <>
      <p className="lead">
        Anyone may look: no wallet is needed, and the gateway that keeps the answer is not believed.
      </p>
      <div className="columns">
        <form className="panel" onSubmit={look} aria-labelledby="lookup-title">
          <h2 id="lookup-title">Which evaluation</h2>
          <div className="field">
            <label htmlFor="task">Task id</label>
            <input
              id="task"
              className="mono"
              value={text}
              onChange={(event) => setText(event.target.value)}
              autoComplete="off"
              spellCheck={false}
              placeholder="0x… and 64 digits"
              aria-describedby="task-error"
            />
            <p className="error" id="task-error" role="status">
              {text !== '' && !isId
                ? 'A task id is 0x and 64 hexadecimal digits.'
                : fetching.error === null
                  ? ''
                  : problemOfError(fetching.error).why}
            </p>
          </div>
          <button type="submit" className="primary" aria-disabled={!isId || fetching.isPending}>
            {fetching.isPending ? 'Looking' : 'Look and verify'}
          </button>
        </form>
        <div>
          <ForgePanel />
        </div>
      </div>
    </>
  )
}

// An answer that is only fetched is not run again.
const never = {
  replayResult: (): never => {
    throw new TypeError('nothing is run again here')
  },
}

function Answer({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const { verdict, verification, dispatch } = useSession()
  return (
    <>
      <VerdictCard verdict={verdict}>
        <Spending answer={answer} />
        {verdict.problem?.retry === true && verdict.state === 'undecided' ? (
          <Action
            quiet
            onAct={() => {
              void verification.refetch()
            }}
          >
            Try again
          </Action>
        ) : null}
        <Action
          quiet
          onAct={() => {
            dispatch({ type: 'again' })
            globalThis.location.hash = '#/'
          }}
        >
          Another transfer
        </Action>
      </VerdictCard>
      <Anchor answer={answer} />
      <div className="columns">
        <div>
          <Levels levels={verification.levels} />
          <Signed answer={answer} />
        </div>
        <div>
          <Plugins />
          <TreeProofs answer={answer} />
          <EnclaveDocument answer={answer} />
        </div>
      </div>
    </>
  )
}

/** Accepting and spending: buttons that exist only where the verdict says so. */
function Spending({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const { verdict, dispatch } = useSession()
  const { wagmi, addresses, client, chainId: ours } = useNetwork()
  const { address, chainId, status } = useConnection()
  const { intent } = answer.task
  const accept = useMutation({
    mutationFn: async () => {
      const wallet = await getWalletClient(wagmi, { chainId: ours })
      const { response, certificate, task } = answer
      return acceptResponseSync(wallet as never, { response, certificate, task, addresses })
    },
    onSuccess: ({ receipt }) =>
      dispatch({
        type: 'accepted',
        mined: { hash: receipt.transactionHash, block: receipt.blockNumber },
      }),
    onError: (error) =>
      dispatch({ type: 'stopped', problem: problemOfError(error, 'transaction') }),
  })
  const spend = useMutation({
    mutationFn: async () => {
      const wallet = await getWalletClient(wagmi, { chainId: ours })
      const hash = await writeContract(wallet, {
        address: client,
        abi: guardedTransferAbi,
        functionName: 'execute',
        args: [answer.response, computeCertificateHash(answer.certificate), intent],
      })
      const receipt = await waitForReceipt(wagmi.getClient(), hash)
      if (receipt.status !== 'success') throw new TypeError('the transfer reverted')
      return receipt
    },
    onSuccess: ({ transactionHash, blockNumber }) =>
      dispatch({ type: 'spent', mined: { hash: transactionHash, block: blockNumber } }),
    onError: (error) =>
      dispatch({ type: 'stopped', problem: problemOfError(error, 'transaction') }),
  })
  const reason =
    status !== 'connected'
      ? 'Connect a wallet to go on.'
      : chainId !== ours
        ? `Your wallet is on chain ${chainId}.`
        : address?.toLowerCase() !== intent.from.toLowerCase()
          ? 'Only the account that it was evaluated for can make it.'
          : undefined
  if (verdict.may === 'accept') {
    return (
      <Action
        onAct={() => {
          dispatch({ type: 'accept' })
          accept.mutate()
        }}
        reason={status === 'connected' ? undefined : reason}
      >
        Accept on chain
      </Action>
    )
  }
  if (verdict.may === 'spend') {
    return (
      <Action
        onAct={() => {
          dispatch({ type: 'spend' })
          spend.mutate()
        }}
        reason={reason}
      >
        Make the transfer
      </Action>
    )
  }
  return null
}

function Signed({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const { response, task, signers, inputs } = answer
  return (
    <Panel title="What was signed">
      <Facts>
        <Fact name="Transfer">
          {ether(task.intent.value)} to <Hash value={task.intent.to} name="recipient" />
        </Fact>
        <Fact name="Task">
          <Hash value={answer.taskId} name="task id" />
        </Fact>
        <Fact name="Policy instance">
          <Hash value={response.policyInstanceId} name="policy instance" />
        </Fact>
        <Fact name="Digest">
          <Hash value={response.artifactDigest} name="artifact digest" />
        </Fact>
        <Fact name="Signed by">
          {signers.length} of {useNetwork().table.operators.length} operators
        </Fact>
        <Fact name="Valid until block">{response.expirationBlock.toString()}</Fact>
        {Object.entries(inputs.outputs).flatMap(([id, output]) =>
          leavesOf(output).map(([name, value]) => (
            <Fact key={`${id} ${name}`} name={name}>
              {quoted(value)}
            </Fact>
          )),
        )}
      </Facts>
    </Panel>
  )
}

/** Proofs that the artifacts were under a root that operators committed. */
function TreeProofs({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const network = useNetwork()
  const { preimage, response, taskId } = answer
  const wanted = [
    { label: 'Policy text', namespace: namespaces.rego, hash: preimage.regoHash },
    ...preimage.data.map(({ wasmHash }) => ({
      label: 'Plugin',
      namespace: namespaces.wasm,
      hash: wasmHash,
    })),
  ]
  const { data, error } = useQuery({
    queryKey: ['tree', taskId, ...wanted.map(({ hash }) => hash)],
    queryFn: () =>
      Promise.all(
        wanted.map(async (one) => ({
          ...one,
          proof: await proveArtifact(network, { ...one, block: response.referenceBlock }),
        })),
      ),
    retry: false,
  })
  return (
    <Panel
      title="Tree proofs"
      note="Operators attest only to what is in their state tree. Anyone can prove it under a committed root."
    >
      {error === null ? null : <p>{problemOfError(error).why}</p>}
      <ul className="proofs">
        {(data ?? []).map(({ label, hash, proof }) => (
          <li key={label}>
            <Mark tone={proof === null ? 'unknown' : proof.holds ? 'good' : 'bad'} />
            <div>
              <p>
                <strong>{label}</strong> <Hash value={hash} name={label} />
              </p>
              <p className="note">
                {proof === null ? (
                  'No proof: it is not in the tree that operators committed.'
                ) : (
                  <>
                    {proof.holds ? 'Is' : 'Is not'} under root{' '}
                    <Hash value={proof.root} name="tree root" /> of commit {proof.sequenceNo}, by{' '}
                    {proof.siblings} siblings
                  </>
                )}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
