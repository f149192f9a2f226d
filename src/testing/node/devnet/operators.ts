/** The operators of a development network: keys of their own, started as operators start anywhere. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import {
  type BlsKey,
  blsKeyFromSeed,
  computeSignableDigest,
  type SignatureShare,
} from '../../../core/bn254/index.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../../core/response.js'
import type { EnclaveEvaluator, NitroRoot } from '../../../enclave/index.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import type { WindowOutcome } from '../../../operator/index.js'
import {
  completeSettings,
  operatorSettings,
  type RunningOperator,
  startOperator,
} from '../../../operator/node/index.js'
import { openSimulatedEnclave } from '../../../operator/node/process/enclave/evaluator.js'
import { freePort } from '../anvil.js'
import type { StartedLedger } from './ledger.js'
import type { SharedSettings } from './settings.js'

/** Where an operator belongs, whether it runs or not. */
export type Seat = {
  readonly name: string
  readonly address: LocalAccount['address']
  readonly account: LocalAccount
  readonly key: BlsKey
  readonly port: number
  /** Of its server. */
  readonly url: string
  /** A directory of its own. */
  readonly directory: string
  /** Of the journal's witness, outside that directory. */
  readonly witness: string
}

/** An operator that runs, with the keys that a development network knows of it. */
export type DevnetOperator = RunningOperator & {
  readonly account: LocalAccount
  readonly key: BlsKey
  readonly evaluator: EnclaveEvaluator
  /** What a verifier's `roots` takes to accept its simulated enclave's documents. */
  readonly roots: readonly NitroRoot[]
  /**
   * Signs whatever it is given, past its journal. An honest operator has no such function: it is how
   * tests build dishonest ones.
   */
  signAnything(response: PolicyTaskResponse): Promise<SignatureShare>
}

/** What all operators of a network share. */
export type OperatorNetwork = {
  settings: SharedSettings
  /** Account of the gateway. */
  gateway: LocalAccount['address']
  seats: readonly Seat[]
  allowHost: (target: { host: string; port: number }) => boolean
  ledger: StartedLedger | undefined
  onWindow: (seat: Seat, timestamp: bigint, outcome: WindowOutcome) => void
}

/** The secret that all enclaves of the network are provisioned with. */
const secretsKey = keccak(utf8('newton devnet secrets key'))

/** Makes a seat for each account, in the order of the contract's table. */
export async function makeSeats(
  accounts: readonly LocalAccount[],
  directory: string,
): Promise<Seat[]> {
  const seats = await Promise.all(
    accounts.map(async (account, index) => {
      const name = `operator-${index}`
      const port = await freePort()
      return {
        ...{ name, address: account.address, account, port },
        key: blsKeyFromSeed(keccak(utf8(`newton devnet operator ${index}`))),
        url: `http://127.0.0.1:${port}`,
        directory: join(directory, name),
        witness: join(directory, 'witness', name),
      }
    }),
  )
  // The contract wants the table strictly ascending by address.
  return seats.sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
}

/** Starts the operator of a seat. All run the same image, so their PCR0 is the same. */
export async function startSeat(seat: Seat, network: OperatorNetwork): Promise<DevnetOperator> {
  const { account, key, directory } = seat
  const { settings, allowHost } = network
  const enclaves: { enclave: EnclaveEvaluator; roots: readonly NitroRoot[] }[] = []
  const running = await startOperator({
    ...{ account, signer: key },
    settings: completeSettings(operatorSettings, {
      ...{ ...settings, ...network.ledger?.settingsOf(seat.name) },
      'data.directory': directory,
      'listen.port': seat.port,
      gateways: [network.gateway],
      operators: Object.fromEntries(network.seats.map(({ address, url }) => [address, url])),
      'enclave.kind': 'simulator',
      'journal.new': !existsSync(join(directory, 'journal')),
      'journal.witness': seat.witness,
      // Blocks are mined by the hundred here, between two looks at the chain.
      'sign.max_lag': 10_000,
    }),
    onWindow: (timestamp, outcome) => network.onWindow(seat, timestamp, outcome),
    evaluator: async (parts) => {
      const seed = keccak(utf8(`newton devnet enclave ${seat.name}`))
      const opened = await openSimulatedEnclave({ ...parts, seed, secretsKey, allowHost })
      enclaves.push(opened)
      return opened
    },
  })
  const { enclave: evaluator, roots } = enclaves[0] as (typeof enclaves)[number]
  return {
    ...{ ...running, account, key, evaluator, roots },
    signAnything: async (response) => {
      const { referenceTimestamp } = response
      const messageHash = computeMessageHash(response)
      const digest = computeSignableDigest({ referenceTimestamp, messageHash })
      return { operator: account.address, signature: await key.sign(digest) }
    },
  }
}
