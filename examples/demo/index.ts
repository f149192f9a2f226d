/**
 * From a Rego file to a challenged attestation, on a real chain, in one run.
 *
 * npm run demo
 */
import {
  computeMessageHash,
  encodeEvaluationResult,
  type PolicyTaskResponse,
} from '@newton/policy-sdk'
import { artifactProofsAbi, devnetSlasherAbi, guardedTransferAbi } from '@newton/policy-sdk/abi'
import {
  buildCertificate,
  type Certificate,
  computeCertificateHash,
  type SignatureShare,
  verifyTaskAttestation,
} from '@newton/policy-sdk/attestation'
import { createArtifactSource } from '@newton/policy-sdk/da'
import { sealSecrets, uploadSecrets } from '@newton/policy-sdk/enclave'
import {
  createResultReplayer,
  createSchemaValidator,
  encodeWasmArgs,
  operatorEngine,
} from '@newton/policy-sdk/eval'
import { createGatewayClient } from '@newton/policy-sdk/gateway'
import { createTaskClient, type SentRequest, type VerifiedTask } from '@newton/policy-sdk/operator'
import {
  acceptResponseSync,
  decodeRevert,
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  registerClientSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
  waitForReceipt,
} from '@newton/policy-sdk/registry'
import { toProofCalldata } from '@newton/policy-sdk/statetree'
import { deployGuardedTransfer } from '@newton/policy-sdk/testing'
import { createDevnet, type Devnet } from '@newton/policy-sdk/testing/node'
import { type Address, type BaseError, encodeFunctionData, type Hex, parseEther } from 'viem'
import { signTypedData } from 'viem/actions'
import { readArtifacts } from './artifacts.js'
import { startRiskService } from './riskService.js'
import { createSteps, expect } from './steps.js'

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const goodRecipient: Address = '0x00000000000000000000000000000000000a11ce'
const badRecipient: Address = '0x00000000000000000000000000000000000badad'
const apiKey = 'demo-api-key'

const { run, table } = createSteps(print)
const short = (hash: Hex): string => `${hash.slice(0, 10)}…${hash.slice(-4)}`

/** Signs a response with some operators, as an aggregator does. */
const certify = async (
  devnet: Devnet,
  shares: readonly SignatureShare[],
  response: PolicyTaskResponse,
): Promise<Certificate> => {
  const { certificate } = await buildCertificate({
    table: devnet.table,
    referenceTimestamp: response.referenceTimestamp,
    messageHash: computeMessageHash(response),
    shares,
  })
  return certificate
}

/** Calls a contract as `wallet` would, and says whether it would go through. */
async function refusal(
  devnet: Devnet,
  wallet: ReturnType<Devnet['account']>,
  transaction: { to: Address; data: Hex },
): Promise<string | undefined> {
  try {
    await devnet.client.call({ ...transaction, account: wallet.account })
    return undefined
  } catch (error) {
    const found = (error as BaseError).walk(
      (cause) => typeof (cause as { data?: unknown }).data === 'string',
    )
    const data = (found as { data?: Hex } | null)?.data ?? '0x'
    return decodeRevert(data).errorName ?? 'it reverted'
  }
}

async function main(): Promise<void> {
  const started = performance.now()
  const cleanup: (() => Promise<void>)[] = []
  try {
    const devnet = await run(
      'start a chain, the contracts, four operators with enclaves, gateway, challenger, replica',
      async () => {
        const value = await createDevnet()
        cleanup.push(value.stop)
        return {
          value,
          result: `chain ${value.chain.id}, ${Object.keys(value.contracts).length - 1} contracts, ${value.operators.length} operators, PCR0 ${short(value.pcr0Commitment)}`,
        }
      },
    )
    const { contracts: addresses, owner } = devnet
    const clientOwner = devnet.account(0)
    const user = devnet.account(1)
    const challenger = devnet.account(2)

    const service = await startRiskService({
      apiKey,
      scores: {
        [goodRecipient]: { score: 5, listed: false },
        [badRecipient]: { score: 97, listed: true },
      },
    })
    cleanup.push(service.close)

    const client = await run(
      'deploy a client contract that pays out only on an allowed evaluation',
      async () => {
        const value = await deployGuardedTransfer(clientOwner, {
          responseRegistry: addresses.responseRegistry,
        })
        await registerClientSync(clientOwner, { client: value, addresses })
        await send(user, {
          to: value,
          data: encodeFunctionData({ abi: guardedTransferAbi, functionName: 'deposit' }),
          value: parseEther('3'),
        })
        return { value, result: `client ${value}, 3 ether deposited` }
      },
    )

    const artifacts = await run('publish the five artifacts', async () => {
      const value = await readArtifacts()
      for (const artifact of Object.values(value)) {
        const receipt = await devnet.da.put(artifact.bytes)
        expect(
          receipt.artifactHash === artifact.hash,
          `${artifact.name} was stored under another hash`,
        )
      }
      const sizes = Object.values(value).map(({ name, bytes }) => `${name} ${bytes.length} B`)
      return { value, result: sizes.join(', ') }
    })
    const { rego, policyParamsSchema, wasm, policyDataParamsSchema, secretsSchema } = artifacts
    const locator = { kind: 'keccakStore', name: '' } as const

    const templates = await run('register both templates', async () => {
      const data = await registerPolicyDataTemplateSync(owner, {
        wasmHash: wasm.hash,
        paramsSchemaHash: policyDataParamsSchema.hash,
        secretsSchemaHash: secretsSchema.hash,
        locators: { wasm: locator, paramsSchema: locator, secretsSchema: locator },
        addresses,
      })
      const policy = await registerPolicyTemplateSync(owner, {
        regoHash: rego.hash,
        paramsSchemaHash: policyParamsSchema.hash,
        policyDataTemplateRefs: [data.id],
        locators: { rego: locator, paramsSchema: locator },
        addresses,
      })
      return {
        value: { data: data.id, policy: policy.id },
        result: `policy ${short(policy.id)}, data ${short(data.id)}`,
      }
    })

    const instances = await run(
      'deploy both instances for the client and move its slots',
      async () => {
        const data = await deployPolicyDataInstanceSync(clientOwner, {
          client,
          templateId: templates.data,
          params: { endpoint: service.endpoint },
          expireAfter: 200n,
          addresses,
        })
        await setCurrentPolicyDataInstanceSync(clientOwner, {
          client,
          templateId: templates.data,
          instanceId: data.id,
          addresses,
        })
        const policy = await deployPolicyInstanceSync(clientOwner, {
          client,
          templateId: templates.policy,
          params: { maxScore: 50, maxAmount: parseEther('2').toString() },
          expireAfter: 300n,
          addresses,
        })
        await setCurrentPolicyInstanceSync(clientOwner, {
          client,
          instanceId: policy.id,
          addresses,
        })
        return {
          value: { data: data.id, policy: policy.id },
          result: `policy ${short(policy.id)}, data ${short(data.id)}; deploy ${policy.receipt.gasUsed} gas`,
        }
      },
    )

    await run('seal the API key to the enclave that its document names', async () => {
      const { recipient, attestation } = await (
        devnet.operators[0] as Devnet['operators'][number]
      ).evaluator.session()
      const sealed = await sealSecrets({
        recipient,
        secrets: { apiKey },
        validation: {
          validator: createSchemaValidator(),
          schemaJson: new TextDecoder().decode(secretsSchema.bytes),
        },
        chainId: BigInt(devnet.chain.id),
        client,
        policyDataInstanceId: instances.data,
        sequence: 1n,
      })
      // The gateway hands it to an operator, whose enclave opens it and holds it against its schema.
      const upload = await uploadSecrets({
        gateway: createGatewayClient({ url: devnet.gatewayUrl }),
        envelope: sealed.envelope,
        policyDataRegistry: addresses.policyDataRegistry,
        sign: (typedData) => signTypedData(clientOwner, typedData),
      })
      return {
        value: sealed,
        result: `${sealed.envelope.length} B envelope, key of a ${attestation.assurance} enclave, ${upload.status}`,
      }
    })

    const commit = await run(
      'fold the artifacts into the state tree; the quorum signs the root',
      async () => {
        const value = await devnet.commit()
        expect(value !== undefined, 'no commit was due')
        expect(
          value.included === 5 && value.foreign === 1,
          `${value.included} artifacts and ${value.foreign} envelopes are in`,
        )
        return {
          value,
          result: `commit ${value.sequenceNo}: root ${short(value.root)}, ${value.included} artifacts and ${value.foreign} envelope, ${value.signers} signers`,
        }
      },
    )

    await run('prove one artifact on chain', async () => {
      const block = await devnet.client.getBlockNumber()
      const { committed } = devnet.operators[1] as Devnet['operators'][number]
      const { root, proof } = await committed.proveArtifact({
        namespace: wasm.namespace,
        hash: wasm.hash,
        block,
      })
      const check = (artifactHash: Hex): Promise<boolean> =>
        devnet.client.readContract({
          address: addresses.artifactProofs,
          abi: artifactProofsAbi,
          functionName: 'isCommitted',
          args: [root, wasm.namespace, artifactHash, toProofCalldata(proof)],
        })
      expect(await check(wasm.hash), 'the contract refuses the proof')
      expect(!(await check(rego.hash)), 'the contract takes the proof for another artifact')
      return {
        value: undefined,
        result: `the plugin is under ${short(commit.root)}, and nothing else is by this proof`,
      }
    })

    // What anyone can build who has an RPC and the artifacts: the gateway is not believed, and no
    // operator is asked.
    const source = createArtifactSource({ clients: [devnet.da] })
    const reader = {
      registry: devnet.reader,
      artifacts: source,
      certificates: devnet.certificates,
      replayer: createResultReplayer({ engine: operatorEngine() }),
      envelopes: (devnet.operators[3] as Devnet['operators'][number]).committed,
    }
    const tasks = createTaskClient({ gateway: { url: devnet.gatewayUrl }, reader })
    // The gateway makes the task and asks operators over their sockets: they commit to their plugin
    // outputs, agree, evaluate in their enclaves, journal and sign. What comes back was run again here.
    const sendTask = async (to: Address, broadcast = false): Promise<SentRequest> => {
      await devnet.mine(2)
      return tasks.sendTask({
        broadcast,
        policyClient: client,
        intent: {
          from: user.account.address,
          to,
          value: parseEther('1'),
          data: '0x',
          chainId: BigInt(devnet.chain.id),
          functionSignature: '0x',
        },
        wasmArgs: encodeWasmArgs({ address: to }),
        timeout: 90_000,
      })
    }
    const verified = async (sent: SentRequest): Promise<VerifiedTask> => {
      const answer = await tasks.waitForTask(sent)
      expect(
        answer.documents.length === answer.signers.length,
        'an evaluation ran outside its enclave',
      )
      return answer
    }
    const evaluateByAll = async (to: Address): Promise<VerifiedTask> => verified(await sendTask(to))
    const verify = ({ task, response, certificate, preimage, inputs }: VerifiedTask) =>
      verifyTaskAttestation({
        reader,
        task,
        response,
        certificate,
        level: 'result',
        preimage,
        inputs,
      })

    // The gateway lands this one by itself.
    const sent = await sendTask(goodRecipient, true)
    const allowed = await run('evaluate a transfer in four enclaves: allowed', async () => {
      const value = await verified(sent)
      const { response, reasons } = value
      expect(value.allowed, `it was denied: ${reasons.join('; ')}`)
      return {
        value,
        result: `allow, digest ${short(response.artifactDigest)}, ${value.signers.length} signers`,
      }
    })
    const denied = await run('evaluate a transfer in four enclaves: denied', async () => {
      const value = await evaluateByAll(badRecipient)
      expect(!value.allowed, 'it was allowed')
      expect(value.reasons.length > 0, 'it was denied without a reason')
      return { value, result: `deny: ${value.reasons.join('; ')}` }
    })

    await run('verify both from chain state alone, down to a re-run', async () => {
      for (const answer of [allowed, denied]) {
        const outcome = await verify(answer)
        expect(
          outcome.status === 'valid' && outcome.level === 'result',
          `the outcome is ${JSON.stringify(outcome.status)} ${'reason' in outcome ? outcome.reason : ''}`,
        )
      }
      return { value: undefined, result: 'both valid at level result' }
    })

    await run(
      'accept on chain: the allowed transfer goes through, the denied one does not',
      async () => {
        await new Promise<void>((resolve, reject) => {
          tasks.watchTask({
            sent,
            onProgress: (progress) => {
              if (progress.state === 'final') resolve()
              if (progress.state === 'failed') reject(progress.error)
            },
            onError: reject,
          })
        })
        const { task, response, certificate } = denied
        await acceptResponseSync(challenger, { response, certificate, task, addresses })
        const execute = (answer: VerifiedTask): { to: Address; data: Hex } => ({
          to: client,
          data: encodeFunctionData({
            abi: guardedTransferAbi,
            functionName: 'execute',
            args: [answer.response, computeCertificateHash(answer.certificate), answer.task.intent],
          }),
        })
        await send(user, execute(allowed))
        expect(
          (await devnet.client.getBalance({ address: goodRecipient })) === parseEther('1'),
          'the money did not arrive',
        )
        const twice = await refusal(devnet, user, execute(allowed))
        expect(
          twice === 'AlreadyConsumed',
          `a second payout on one evaluation: ${twice ?? 'went through'}`,
        )
        const bad = await refusal(devnet, user, execute(denied))
        expect(bad === 'EvaluationDenied', `the denied transfer: ${bad ?? 'went through'}`)
        expect(
          (await devnet.client.getBalance({ address: badRecipient })) === 0n,
          'money reached the denied recipient',
        )
        return {
          value: undefined,
          result: `1 ether arrived; the denied one reverts with ${bad}, a second use with ${twice}`,
        }
      },
    )

    const shareOf = (operator: Address): Promise<bigint> =>
      devnet.client.readContract({
        address: addresses.slasher,
        abi: devnetSlasherAbi,
        functionName: 'stakeOf',
        args: [operator],
      })

    await run(
      'a dishonest quorum signs a response with a forged plugin: challenged and slashed',
      async () => {
        const honest = await evaluateByAll(badRecipient)
        const { task } = honest
        const { forgeDigest } = await import('./forge.js')
        const forged = forgeDigest(honest)
        const dishonest = devnet.operators.slice(0, 3)
        const certificate = await certify(
          devnet,
          await Promise.all(dishonest.map((operator) => operator.signAnything(forged.response))),
          forged.response,
        )
        const outcome = await verifyTaskAttestation({
          reader,
          task,
          response: forged.response,
          certificate,
          level: 'quorum',
          preimage: forged.preimage,
        })
        expect(
          outcome.status === 'slashable' && outcome.reason === 'WRONG_DATA_ARTIFACT',
          `the outcome is ${outcome.status}`,
        )
        const stakes = (): Promise<bigint[]> =>
          Promise.all(devnet.operators.map(({ address }) => shareOf(address)))
        const before = await stakes()
        await acceptResponseSync(challenger, {
          response: forged.response,
          certificate,
          task,
          addresses,
        })
        await devnet.mine(1)
        // Nobody tells it: the network's challenger reads the chain, and files what it finds.
        let lost: bigint[] = []
        for (const until = Date.now() + 30_000; Date.now() < until; ) {
          lost = (await stakes()).map((stake, index) => (before[index] as bigint) - stake)
          if (lost.some((amount) => amount > 0n)) break
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
        expect(
          lost.filter((amount) => amount > 0n).length === 3 && lost.at(3) === 0n,
          `stakes lost: ${lost.join(', ')}`,
        )
        return {
          value: undefined,
          result: `${outcome.reason}, filed by the challenger; three signers lost 10 %, the honest one nothing`,
        }
      },
    )

    await run(
      'a dishonest quorum signs the right digest with a false result: found by the re-run',
      async () => {
        const honest = await evaluateByAll(badRecipient)
        expect(!honest.allowed, 'the honest result allows')
        const response = { ...honest.response, evaluationResult: encodeEvaluationResult(true) }
        const certificate = await certify(
          devnet,
          await Promise.all(
            devnet.operators.slice(0, 3).map((operator) => operator.signAnything(response)),
          ),
          response,
        )
        const byQuorum = await verifyTaskAttestation({
          reader,
          task: honest.task,
          response,
          certificate,
          level: 'quorum',
          preimage: honest.preimage,
        })
        expect(byQuorum.status === 'valid', `at level quorum it is ${byQuorum.status}`)
        const outcome = await verify({ ...honest, response, certificate })
        expect(
          outcome.status === 'disputed' && outcome.reason === 'WRONG_RESULT',
          `the outcome is ${outcome.status}`,
        )
        return {
          value: undefined,
          result: `${outcome.reason}: the re-run denies, ${devnet.operators.length - 1} operators signed an allow`,
        }
      },
    )

    print(`\n${table()}\n`)
    print(
      `The whole thread ran in ${((performance.now() - started) / 1_000).toFixed(1)} s; the risk service was asked ${service.requests()} times.`,
    )
  } finally {
    for (const close of cleanup.reverse()) await close()
  }
}

async function send(
  wallet: ReturnType<Devnet['account']>,
  transaction: { to: Address; data: Hex; value?: bigint },
): Promise<void> {
  const { sendTransaction } = await import('viem/actions')
  const hash = await sendTransaction(wallet, {
    ...transaction,
    account: wallet.account,
    chain: wallet.chain,
  } as never)
  const { status } = await waitForReceipt(wallet, hash)
  expect(status === 'success', 'the transaction reverted')
}

main()
  .catch((error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`\nThe demo failed.\n${text}\n`)
    process.exitCode = 1
  })
  .finally(() => {
    // Whatever is still open after everything was closed is a fault, not a reason to hang.
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ')
      process.stderr.write(`\nThe demo did not end by itself; still open: ${open}\n`)
      process.exit(1)
    }, 15_000).unref()
  })
