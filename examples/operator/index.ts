/**
 * An operator in a process of one's own: the settings of a file, a key file, and what the command line does
 * around `startOperator`.
 *
 * npx tsx examples/operator/index.ts operator.toml
 */
import { readFile } from 'node:fs/promises'
import { createRemoteSigner, type OperatorSigner } from '@newton/policy-sdk/operator'
import {
  openBlsKeystore,
  operatorSettings,
  readSettings,
  startOperator,
} from '@newton/policy-sdk/operator/node'
import { isHex, type LocalAccount } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const file = process.argv[2]
if (file === undefined) throw new Error('usage: index.ts <operator.toml>')
const settings = await readSettings(operatorSettings, { file, env: process.env })

/** The key stays where it is: in a file, or with a signer in another process. */
async function signerOf(): Promise<OperatorSigner> {
  const url = settings['key.remote_url']
  if (url !== undefined) return createRemoteSigner({ url })
  const path = settings['key.keystore']
  const passwords = settings['key.password_file']
  if (path === undefined || passwords === undefined) throw new Error('name a key and its password')
  return openBlsKeystore(path, (await readFile(passwords, 'utf8')).trim())
}

/** Wherever your accounts are kept; the command line opens `account.keystore`. */
function accountOf(): LocalAccount {
  const key = process.env['OPERATOR_ACCOUNT_KEY']
  if (!isHex(key)) throw new Error('set OPERATOR_ACCOUNT_KEY')
  return privateKeyToAccount(key)
}

const operator = await startOperator({
  ...{ settings, account: accountOf(), signer: await signerOf() },
  log: (entry) => {
    process.stdout.write(`${JSON.stringify(entry)}\n`)
  },
})
// Finish what is in flight, then end. What a second signal cuts off is on disk.
let ending = false
const end = (): void => {
  if (ending) process.exit(1)
  ending = true
  operator.close(settings.shutdown_grace * 1_000).then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
