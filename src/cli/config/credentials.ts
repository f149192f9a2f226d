/** The two credentials of a command, from where they may come, safest said and weakest warned about. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { FileAccessError, UsageError } from '../errors.js'
import { heed, heedingAccount } from '../terminal/interrupt.js'
import type { Terminal } from '../terminal/output.js'
import { promptOf } from '../terminal/prompt.js'
import { hasKeyForm, type Profile } from './config.js'
import { decryptKey } from './keystore.js'

/** Options of commands that sign. */
export const signerArgs = {
  'signer-key': {
    type: 'string',
    description: 'Private key that signs; NEWTON_SIGNER_KEY or a keystore is safer',
    valueHint: '0x…',
  },
  keystore: {
    type: 'string',
    description: 'Encrypted key file; its password is asked for, or NEWTON_KEYSTORE_PASSWORD',
    valueHint: 'file',
  },
} as const

/** Option of commands that talk to a gateway. */
export const apiKeyArgs = {
  'api-key': {
    type: 'string',
    description: 'API key of the gateway; NEWTON_GATEWAY_API_KEY is safer',
    valueHint: 'key',
  },
} as const

type SignerArgs = { 'signer-key'?: string | undefined; keystore?: string | undefined }

/**
 * The account that signs: `--signer-key`, `--keystore`, `NEWTON_SIGNER_KEY`, the profile's keystore
 * or key, else it is asked for.
 *
 * @throws {UsageError} where there is none, naming every way to give one.
 */
export async function signerOf(
  terminal: Terminal,
  parameters: { args: SignerArgs; profile: Profile },
): Promise<PrivateKeyAccount> {
  await heed(terminal.signal)
  return heedingAccount(await unguardedSigner(terminal, parameters), terminal.signal)
}

async function unguardedSigner(
  terminal: Terminal,
  { args, profile }: { args: SignerArgs; profile: Profile },
): Promise<PrivateKeyAccount> {
  if (args['signer-key'] !== undefined) {
    terminal.stderr(
      'warning: a key on the command line is seen by other users and kept in the history; use NEWTON_SIGNER_KEY or a keystore\n',
    )
    return accountOf(args['signer-key'], '--signer-key')
  }
  if (args.keystore !== undefined) return unlock(terminal, args.keystore)
  const fromEnvironment = terminal.env['NEWTON_SIGNER_KEY']
  if (fromEnvironment) return accountOf(fromEnvironment, 'NEWTON_SIGNER_KEY')
  if (profile.keystore !== undefined) return unlock(terminal, profile.keystore)
  if (profile.signer_key !== undefined) return accountOf(profile.signer_key, 'signer_key')
  const typed = await promptOf(terminal)?.secret('Private key that signs')
  if (typed) return accountOf(typed.trim(), 'what was typed')
  throw new UsageError('There is no key to sign with.', {
    metaMessages: [
      'Give --keystore <file> or --signer-key, set NEWTON_SIGNER_KEY, or keep one in the profile:',
      'newton-policy config set signer-key',
    ],
  })
}

/** The gateway's API key: `--api-key`, `NEWTON_GATEWAY_API_KEY`, the profile; there may be none. */
export function apiKeyOf(
  terminal: Terminal,
  { args, profile }: { args: { 'api-key'?: string | undefined }; profile: Profile },
): string | undefined {
  if (args['api-key'] !== undefined) {
    terminal.stderr(
      'warning: a key on the command line is seen by other users; use NEWTON_GATEWAY_API_KEY\n',
    )
    return args['api-key']
  }
  return terminal.env['NEWTON_GATEWAY_API_KEY'] || profile.gateway_api_key
}

function accountOf(key: string, from: string): PrivateKeyAccount {
  // The message names the place and never the value.
  if (!hasKeyForm(key)) {
    throw new UsageError(`The private key of ${from} is not 32 bytes as 0x-hex.`)
  }
  try {
    return privateKeyToAccount(key)
  } catch {
    throw new UsageError(`The private key of ${from} is not a key of secp256k1.`)
  }
}

async function unlock(terminal: Terminal, path: string): Promise<PrivateKeyAccount> {
  const file = resolve(terminal.cwd, path.replace(/^~(?=\/)/, terminal.home))
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new FileAccessError({ path: file, action: 'read' }, { cause })
  })
  const password =
    terminal.env['NEWTON_KEYSTORE_PASSWORD'] ??
    (await promptOf(terminal)?.secret(`Password of ${path}`))
  if (password === undefined) {
    throw new UsageError(`${path} needs its password.`, {
      metaMessages: ['Set NEWTON_KEYSTORE_PASSWORD, or run this in a terminal.'],
    })
  }
  return accountOf(decryptKey(text, password, file), path)
}
