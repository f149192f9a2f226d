/**
 * The certificate's check beside EigenLayer's own for the same certificates, compiled from a checkout of
 * its contracts as its `foundry.toml` says. Nothing of theirs is kept here.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bn254 } from '@noble/curves/bn254.js'
import solc from 'solc'
import {
  type Abi,
  type Address,
  createPublicClient,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  numberToHex,
  toHex,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { waitForTransactionReceipt } from 'viem/actions'
import { bn254CertificateVerifierAbi } from '../../src/core/abi/bn254CertificateVerifierAbi.js'
import {
  blsKeyFromSeed,
  type Certificate,
  computeSignableDigest,
} from '../../src/core/bn254/index.js'
import { erc1967ProxyBytecode } from '../../src/testing/artifacts/erc1967Proxy.generated.js'
import { deployContract } from '../../src/testing/contracts.js'
import { enlist } from '../../src/testing/enlist.js'
import { startChain, type TestChain } from '../../test/registry/chain.js'
import { joinShares } from '../../test/support/certificates.js'

/** Gas of a check by both, with as many operators absent; of theirs also the first of a table. */
export type CertificateGas = {
  absent: number
  ours: { used: number; estimate: number }
  theirs: { used: number; estimate: number }
  theirsFirst: { used: number; estimate: number }
}

export type EigenLayerGas = { commit: string; rows: readonly CertificateGas[] }

type Artifact = { abi: Abi; bytecode: Hex }

const OPERATORS = 5
const SET_ID = 0
const mnemonic = 'test test test test test test test test test test test junk'

/**
 * Measures both on one chain, each behind the same proxy.
 *
 * @param checkout - Folder of `Layr-Labs/eigenlayer-contracts` with its OpenZeppelin submodules.
 */
export async function compareWithEigenLayer(
  checkout: string,
  commit: string,
): Promise<EigenLayerGas> {
  const theirs = compile(checkout)
  const chain = await startChain()
  try {
    const set = await enlistFive(chain)
    const other = await deployTheirs(chain, theirs, set)
    const rows: CertificateGas[] = []
    for (const absent of [0, 1, 2]) {
      const certificate = set.certify(absent)
      const ours = await measure(chain, chain.addresses.certificateVerifier, [
        bn254CertificateVerifierAbi as Abi,
        [set.operatorSet, certificate],
      ])
      const call: Call = [theirs.abi, [set.operatorSet, certificate]]
      const first = await measure(chain, other, call)
      rows.push({ absent, ours, theirs: await measure(chain, other, call), theirsFirst: first })
    }
    return { commit, rows }
  } finally {
    await chain.anvil.stop()
  }
}

/** The commit of a checkout. */
export function commitOf(checkout: string): string {
  return execFileSync('git', ['-C', checkout, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
}

function compile(checkout: string): Artifact {
  const path = 'src/contracts/multichain/BN254CertificateVerifier.sol'
  const read = (file: string): string => readFileSync(join(checkout, file), 'utf8')
  const config = read('foundry.toml')
  const setting = (name: string): string =>
    new RegExp(`^\\s*${name} = '?([^'\\s]+)`, 'm').exec(config)?.[1] ?? ''
  if (!solc.version().startsWith(setting('solc_version'))) {
    throw new TypeError(
      `EigenLayer compiles with ${setting('solc_version')}, not ${solc.version()}`,
    )
  }
  const input = {
    language: 'Solidity',
    sources: { [path]: { content: read(path) } },
    settings: {
      remappings: [
        '@openzeppelin/=lib/openzeppelin-contracts-v4.9.0/',
        '@openzeppelin-upgrades/=lib/openzeppelin-contracts-upgradeable-v4.9.0/',
      ],
      optimizer: { enabled: true, runs: Number(setting('optimizer_runs')) },
      viaIR: setting('via_ir') === 'true',
      outputSelection: { [path]: { '*': ['abi', 'evm.bytecode.object'] } },
    },
  }
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (file: string) => ({ contents: read(file) }),
    }),
  )
  const contract = output.contracts?.[path]?.BN254CertificateVerifier
  if (contract === undefined) throw new TypeError(JSON.stringify(output.errors, null, 1))
  return { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` }
}

type Five = Awaited<ReturnType<typeof enlistFive>>

async function enlistFive({ addresses, owner, anvil }: TestChain) {
  const members = Array.from({ length: OPERATORS }, (_, index) => {
    const account = mnemonicToAccount(mnemonic, { addressIndex: 20 + index })
    const key = blsKeyFromSeed(new TextEncoder().encode(`gas of operator ${index}`))
    return { account, key, address: account.address }
  }).sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
  const client = createPublicClient({ chain: owner.chain, transport: http(anvil.url) })
  const parameters = { operators: members, owner, client, contracts: addresses }
  const { table, referenceTimestamp } = await enlist(parameters)
  const avs = owner.account.address
  const certify = (absent: number): Certificate => {
    const messageHash = messageOfOneTry(referenceTimestamp)
    const digest = computeSignableDigest({ referenceTimestamp, messageHash })
    const shares = members
      .slice(absent)
      .map(({ address: operator, key }) => ({ operator, signature: key.sign(digest) }))
    return joinShares({ table, referenceTimestamp, messageHash, shares })
  }
  return { table, referenceTimestamp, certify, operatorSet: { avs, id: SET_ID } }
}

/**
 * A message whose digest is on the curve at the first try: how many tries there are hangs on the
 * table's second, and costs both the same.
 */
function messageOfOneTry(referenceTimestamp: number): Hex {
  const { Fp } = bn254.fields
  for (let count = 0; ; count += 1) {
    const messageHash = keccak256(toHex(`message ${count}`))
    const x = BigInt(computeSignableDigest({ referenceTimestamp, messageHash })) % Fp.ORDER
    const square = Fp.add(Fp.mul(Fp.mul(x, x), x), 3n)
    if (Fp.eql(Fp.pow(square, (Fp.ORDER - 1n) / 2n), Fp.ONE)) return messageHash
  }
}

/** Their verifier behind our proxy, with our table; whoever updates tables says yes to everything. */
async function deployTheirs(
  chain: TestChain,
  { abi, bytecode }: Artifact,
  { table, referenceTimestamp, operatorSet }: Five,
): Promise<Address> {
  const { owner, anvil } = chain
  const updater: Address = `0x${'0e'.repeat(20)}`
  await anvil.rpc('anvil_setCode', [updater, '0x60015f5260205ff3'])
  await anvil.rpc('anvil_setBalance', [updater, numberToHex(10n ** 18n)])
  await anvil.rpc('anvil_impersonateAccount', [updater])
  const code = await deployContract(owner, { abi, bytecode, args: [updater], name: 'theirs' })
  const proxyAbi = [
    {
      type: 'constructor',
      stateMutability: 'payable',
      inputs: [{ type: 'address' }, { type: 'bytes' }],
    },
  ] as const
  // A proxy wants a call when it is made; theirs has nothing to set up.
  const nothing = encodeFunctionData({ abi, functionName: 'operatorTableUpdater' })
  const address = await deployContract(owner, {
    ...{ abi: proxyAbi, bytecode: erc1967ProxyBytecode },
    ...{ args: [code, nothing], name: 'proxy' },
  })
  const config = { owner: updater, maxStalenessPeriod: 0 }
  const data = encodeFunctionData({
    ...{ abi, functionName: 'updateOperatorTable' },
    args: [operatorSet, referenceTimestamp, table.info, config],
  })
  await used(chain, { from: updater, to: address, data })
  return address
}

type Call = [abi: Abi, args: readonly unknown[]]
type Transaction = { from: Address; to: Address; data: Hex }

async function measure(
  chain: TestChain,
  to: Address,
  [abi, args]: Call,
): Promise<{ used: number; estimate: number }> {
  const data = encodeFunctionData({ abi, functionName: 'verifyCertificate', args })
  const call = { from: chain.owner.account.address, to, data }
  const estimate = Number(await chain.anvil.rpc('eth_estimateGas', [call]))
  return { used: await used(chain, call), estimate }
}

async function used({ anvil, owner }: TestChain, call: Transaction): Promise<number> {
  const hash = (await anvil.rpc('eth_sendTransaction', [call])) as Hex
  const { gasUsed, status } = await waitForTransactionReceipt(owner, { hash })
  if (status !== 'success') throw new TypeError('the call reverted')
  return Number(gasUsed)
}
