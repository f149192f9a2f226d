/** `operator`: keys and settings, registration, bootstrap, and running one. */
import { access, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { stringify } from 'smol-toml'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createBlsKey, encodeG1, provePossession } from '../../core/bn254/index.js'
import { toHex } from '../../internal/bytes.js'
import {
  bootstrap,
  encryptBlsKey,
  openChain,
  operatorSettings,
  randomBlsSecret,
  startOperator,
} from '../../operator/node/index.js'
import { resolveAddress } from '../../registry/chain/addresses.js'
import { registerOperatorKeySync } from '../../registry/index.js'
import { lmdbStore } from '../../statetree/node/index.js'
import { lacksBytes } from '../../statetree/snapshot/missingBytes.js'
import { writePrivately } from '../config/config.js'
import { encryptKey } from '../config/keystore.js'
import { UsageError } from '../errors.js'
import { command, group } from '../terminal/command.js'
import { heed, heedingAccount } from '../terminal/interrupt.js'
import { printProgress, type Terminal } from '../terminal/output.js'
import { accountOf, passwordOf, runCommand, settingsArgs, settingsOf, signerOf } from './run.js'

const init: CommandDef = command({
  name: 'init',
  example: 'newton-policy operator init --directory /etc/newton',
  description: 'Make a BLS key, an account and a configuration to fill in',
  args: {
    directory: {
      type: 'string',
      description: 'Where they go; nothing in it is written over',
      valueHint: 'dir',
      default: '.',
    },
  },
  run: async ({ args, terminal }) => {
    const directory = resolve(terminal.cwd, args.directory)
    const files = {
      key: join(directory, 'bls.json'),
      account: join(directory, 'account.json'),
      config: join(directory, 'operator.toml'),
    }
    for (const path of Object.values(files)) await assertAbsent(path)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const key = await newPassword(terminal, 'NEWTON_KEY_PASSWORD', files.key)
    const account = await newPassword(terminal, 'NEWTON_ACCOUNT_PASSWORD', files.account)
    const secret = randomBlsSecret()
    const { publicKey } = createBlsKey(secret)
    const privateKey = generatePrivateKey()
    const { address } = privateKeyToAccount(privateKey)
    await writePrivately(files.key, await encryptBlsKey({ secret, password: key }))
    secret.fill(0)
    await writePrivately(files.account, encryptKey(privateKey, account))
    await writePrivately(files.config, stringify(template(directory, files)))
    const data = { ...files, address, publicKey: toHex(encodeG1(publicKey.pubkey)) }
    const text = [
      `account  ${address}`,
      `BLS key  ${data.publicKey}`,
      `config   ${files.config}: fill in the chain, the operators and the enclave, then`,
      `newton-policy operator register --config ${files.config}`,
      'and, the first time only, so that a lost journal is noticed ever after:',
      `newton-policy operator run --config ${files.config} --journal-new true`,
    ]
    return { data, text: text.join('\n') }
  },
})

function template(
  directory: string,
  files: { key: string; account: string },
): Record<string, unknown> {
  return {
    gateways: [],
    chain: { id: 1, rpc_urls: ['https://rpc.example'], from_block: 0, contracts: {} },
    data: { directory: join(directory, 'data') },
    listen: { host: '127.0.0.1', port: 8_700 },
    da: { bootnodes: [] },
    account: { keystore: files.account },
    key: { keystore: files.key },
    enclave: { kind: 'tcp', host: '127.0.0.1', port: 7_000 },
    operators: {},
  }
}

async function assertAbsent(path: string): Promise<void> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  // A key that is written over is a key that is lost.
  if (there) throw new UsageError(`${path} is there already.`)
}

async function newPassword(terminal: Terminal, variable: string, what: string): Promise<string> {
  const password = await passwordOf(terminal, { file: undefined, variable, what })
  if (password.length >= 12) return password
  throw new UsageError(`The password of ${what} has fewer than 12 characters.`)
}

const register: CommandDef = command({
  name: 'register',
  example: 'newton-policy operator register --config operator.toml',
  description: 'Register the BLS key on chain, with its proof of possession',
  args: settingsArgs(operatorSettings),
  run: async ({ args, terminal, signal }) => {
    const settings = await settingsOf(terminal, operatorSettings, args)
    const account = heedingAccount(await accountOf(terminal, settings), signal)
    const signer = await signerOf(terminal, settings)
    const { addresses, chain, wallet } = await openChain(settings)
    const verifier = resolveAddress('certificateVerifier', { addresses, chainId: chain.id })
    const { pubkey, pubkeyG2 } = signer.publicKey
    const context = { chainId: BigInt(chain.id), verifier, operator: account.address }
    await heed(signal)
    const proof = await provePossession(
      {
        publicKey: signer.publicKey,
        sign: (digest) =>
          signer.sign(digest, {
            kind: 'possession',
            chainId: context.chainId,
            policyRegistry: verifier,
            key: digest,
          }),
      },
      context,
    )
    const { transactionHash } = await registerOperatorKeySync(wallet(account), {
      ...{ operator: account.address, pkG1: pubkey, pkG2: pubkeyG2, proof, addresses, signal },
    })
    const data = { operator: account.address, transactionHash }
    return { data, text: `registered  ${account.address} in ${transactionHash}` }
  },
})

const sync: CommandDef = command({
  name: 'sync',
  example: 'newton-policy operator sync --config operator.toml',
  description: 'Bootstrap the tree from a bootnode, against the newest committed root; resumable',
  args: settingsArgs(operatorSettings),
  run: async ({ args, terminal, signal }) => {
    const settings = await settingsOf(terminal, operatorSettings, args)
    const bootnodes = settings['da.bootnodes']
    if (bootnodes.length === 0) throw new UsageError('da.bootnodes names no bootnode.')
    const opened = await openChain(settings)
    const path = join(settings['data.directory'], 'tree')
    await mkdir(path, { recursive: true })
    const store = await lmdbStore({ path })
    try {
      const before = store.range()
      if (before !== undefined && !lacksBytes(store)) {
        const data = { sequence: before.latest, fresh: false }
        return { data, text: `the tree is there, at commit ${before.latest}` }
      }
      await bootstrap(
        opened,
        {
          ...{ store, bootnodes },
          log: ({ level, event, ...fields }) => {
            if (level === 'warn') terminal.stderr(`${event}: ${JSON.stringify(fields)}\n`)
          },
          onProgress: (progress) => {
            if (progress.step === 'finished') printProgress(terminal)
            else printProgress(terminal, `${progress.step}: ${progress.done} of ${progress.total}`)
          },
        },
        { signal },
      )
      const after = store.range()
      const data = { sequence: after?.latest ?? null, fresh: before === undefined }
      const text =
        after === undefined
          ? 'no bootnode gave a snapshot, or nothing was committed yet: the tree starts empty'
          : `the tree is at commit ${after.latest}`
      return { data, text }
    } finally {
      await store.close()
    }
  },
})

const run: CommandDef = runCommand({
  role: 'operator',
  description: 'Run an operator until SIGTERM; JSON lines on stdout',
  table: operatorSettings,
  start: async ({ settings, terminal, log }) => {
    const account = await accountOf(terminal, settings)
    const signer = await signerOf(terminal, settings)
    return startOperator({ settings, account, signer, log })
  },
})

/** `operator`. */
export const operator: CommandDef = group('operator', 'Run an operator of the network', {
  init: async () => init,
  register: async () => register,
  sync: async () => sync,
  run: async () => run,
})
