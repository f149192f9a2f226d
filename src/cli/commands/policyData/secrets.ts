/** `policy-data instance set-secrets` and `show-secrets`. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT, type Json, namespaces, type RegistryReader } from '../../../core/index.js'
import {
  documentedRecipient,
  type ExpectedMeasurements,
  gatewayRecipient,
  type NitroRoot,
  pinnedRecipient,
  type RecipientKey,
  type SecretsValidation,
  sealSecrets,
  uploadSecrets,
} from '../../../enclave/index.js'
import { createSchemaValidator } from '../../../eval/index.js'
import type { GatewayClient } from '../../../gateway/index.js'
import { fromUtf8 } from '../../../internal/bytes.js'
import { createRegistryReader } from '../../../registry/index.js'
import { daArgs, requireDa, sourceOf } from '../../config/artifactStore.js'
import { type ChainTarget, chainArgs, chainOf } from '../../config/chain.js'
import type { Profile } from '../../config/config.js'
import { signerArgs, signerOf } from '../../config/credentials.js'
import { type GatewayArgs, gatewayArgs, gatewayOf } from '../../config/gateway.js'
import { UsageError } from '../../errors.js'
import { isInline, readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal, toJson } from '../../terminal/output.js'
import { secretsMetadata } from '../registry/secretsStatus.js'

const instanceArg = {
  instance: {
    type: 'string',
    description: 'Id of the policy-data instance',
    required: true,
    valueHint: 'id',
  },
} as const

const recipientArgs = {
  pcr0: {
    type: 'string',
    description:
      'PCR0 of the build that may have the secrets, or its commitment; without it, builds that the chain lists',
    valueHint: '0x…',
  },
  'insecure-root': {
    type: 'string',
    description: 'SHA-256 of roots other than that of AWS, as of a simulator',
    valueHint: '0x…',
  },
} as const

/** `set-secrets`. */
export const setSecrets: CommandDef = command({
  name: 'set-secrets',
  example:
    'newton-policy policy-data instance set-secrets --instance 0x… --secrets secrets.json --pcr0 0x…',
  description:
    'Seal the secrets of a policy-data instance to enclaves whose document was verified, and upload them; the client’s owner signs.',
  args: {
    ...instanceArg,
    secrets: { type: 'string', description: 'JSON file', required: true, valueHint: 'file.json' },
    ...recipientArgs,
    'enclave-key': {
      type: 'string',
      description: 'Public key of the enclaves, checked before; no document is asked for then',
      valueHint: '0x…',
    },
    'trust-gateway': {
      type: 'boolean',
      description:
        'Believe the gateway about the key, without a document: whoever runs it could read the secrets',
      default: false,
    },
    sequence: {
      type: 'string',
      description:
        'Number of these secrets; those of a higher one replace them, and what is there already is not sent again',
      default: '1',
      valueHint: 'n',
    },
    ...daArgs,
    ...gatewayArgs,
    ...chainArgs,
    ...signerArgs,
  },
  run: async ({ args, terminal, signal }) => {
    if (!/^[1-9]\d{0,18}$/.test(args.sequence)) {
      throw new UsageError(`--sequence is a number from 1, not ${JSON.stringify(args.sequence)}.`)
    }
    const secrets = await secretsIn(terminal, args.secrets)
    const target = await chainOf(terminal, args)
    const { addresses, profile } = target
    const reader = await createRegistryReader({ client: target.client, addresses }, { signal })
    const instanceId = args.instance as Hex
    const { client, validation } = await needed(terminal, { reader, target, instanceId, args })
    const gateway = gatewayOf(terminal, { args, profile })
    const sequence = BigInt(args.sequence)
    const there = await uploaded(gateway, { target, instanceId, signal })
    if (there !== undefined && there.sequence >= sequence) {
      const { status, envelopeHash } = there
      terminal.stderr(
        `already there: sequence ${there.sequence}, ${status}; to replace them: --sequence ${there.sequence + 1n}\n`,
      )
      return { data: { instanceId, ...there, created: false }, text: envelopeHash }
    }
    const recipient = await recipientOf(terminal, { gateway, reader, profile, args, signal })
    const account = await signerOf(terminal, { args, profile })
    const record = await reader.getClient(client, { signal })
    if (record?.owner.toLowerCase() !== account.address.toLowerCase()) {
      throw new UsageError(`${account.address} is not the owner of ${client}.`, {
        metaMessages: [`Its owner is ${record?.owner ?? 'nobody: it is not registered'}.`],
      })
    }
    const { envelope } = await sealSecrets({
      ...{ recipient, validation, client, policyDataInstanceId: instanceId },
      secrets,
      chainId: reader.chainId,
      sequence,
    })
    const { envelopeHash, status } = await uploadSecrets(
      {
        gateway,
        envelope,
        policyDataRegistry: reader.policyDataRegistry,
        sign: (typedData) => account.signTypedData(typedData),
      },
      { signal },
    )
    terminal.stderr(`${status}: they count once the operators have committed them\n`)
    return {
      data: { instanceId, envelopeHash, sequence, status, created: true },
      text: envelopeHash,
    }
  },
})

// What stands in their place may be the secrets themselves, so no message has it.
async function secretsIn(terminal: Terminal, path: string): Promise<Uint8Array> {
  if (isInline(path)) {
    throw new UsageError('--secrets names a file, and was given the secrets themselves.', {
      metaMessages: [
        'What stands on the command line is seen by other users and kept in the history: change them, and write the new ones to a file.',
      ],
    })
  }
  return readBytes(terminal, path)
}

type Uploaded = { sequence: bigint; envelopeHash: Hex; status: 'committed' | 'pending' }

/** The newest secrets that the network says it has. Networks of the current protocol say nothing. */
async function uploaded(
  gateway: GatewayClient,
  parameters: { target: ChainTarget; instanceId: Hex; signal: AbortSignal },
): Promise<Uploaded | undefined> {
  const metadata = await secretsMetadata(gateway, parameters)
  for (const status of ['pending', 'committed'] as const) {
    const found = (metadata as Record<string, Json> | undefined)?.[status]
    const { sequence, envelope_hash: hash } = (found ?? {}) as Record<string, Json>
    if (!/^\d{1,20}$/.test(String(sequence)) || typeof hash !== 'string') continue
    return { sequence: BigInt(sequence as string), envelopeHash: hash as Hex, status }
  }
  return undefined
}

async function needed(
  terminal: Terminal,
  parameters: {
    reader: RegistryReader
    target: ChainTarget
    instanceId: Hex
    args: { da?: string | undefined }
  },
) {
  const { reader, target, instanceId, args } = parameters
  const row = await reader.getPolicyDataInstance(instanceId)
  if (row === null) {
    throw new UsageError(`${instanceId} is not a policy-data instance on ${target.name}.`, {
      metaMessages: [
        'Deploy it first: newton-policy policy-data instance deploy --template <id> --client <address> --params <file.json> --expire-after <blocks>',
      ],
    })
  }
  const template = await reader.getPolicyDataTemplate(row.templateId)
  const hash = template?.secretsSchemaHash
  if (hash === undefined || hash === ARTIFACT_ABSENT) {
    throw new UsageError(`The template ${row.templateId} takes no secrets.`)
  }
  const source = sourceOf(requireDa(terminal, { args, profile: target.profile }))
  const bytes = await source.getArtifact({ hash, namespace: namespaces.secretsSchema })
  const validation: SecretsValidation = {
    validator: createSchemaValidator(),
    schemaJson: fromUtf8(bytes, 'secrets schema'),
  }
  return { client: row.client, validation }
}

type RecipientArgs = {
  'enclave-key'?: string | undefined
  'trust-gateway': boolean
  pcr0?: string | undefined
  'insecure-root'?: string | undefined
}

// Nothing is sealed before this has an answer: what is sealed to a wrong key is told to a stranger.
async function recipientOf(
  terminal: Terminal,
  parameters: {
    gateway: GatewayClient
    reader: RegistryReader
    profile: Profile
    args: RecipientArgs
    signal: AbortSignal
  },
): Promise<RecipientKey> {
  const { gateway, reader, profile, args, signal } = parameters
  const { 'enclave-key': pinned, 'trust-gateway': trusted, pcr0 } = args
  if ([pinned !== undefined, trusted, pcr0 !== undefined].filter(Boolean).length > 1) {
    throw new UsageError('--enclave-key, --trust-gateway and --pcr0 are three ways: give one.')
  }
  if (pinned !== undefined) return pinnedRecipient({ publicKey: pinned as Hex })
  const key = await gateway.getSecretsPublicKey({ signal })
  if (trusted) {
    terminal.stderr('warning: the gateway alone says whose the key is\n')
    return gatewayRecipient({ key, trustGateway: true })
  }
  const roots = rootsOf(args['insecure-root'] ?? profile.insecure_roots)
  const recipient = await documentedRecipient(
    {
      key,
      policy: {
        measurements: measurementsOf(pcr0),
        // Without a build that is named, the chain says which may have the key.
        registry: { reader, block: 'latest' },
        ...(roots !== undefined && { roots, insecureTrustRoot: true }),
      },
    },
    { signal },
  )
  if (roots !== undefined) {
    terminal.stderr('warning: another root than that of AWS is believed, as of a simulator\n')
  }
  const which = pcr0 === undefined ? 'a build that the chain lists' : `the build ${pcr0}`
  terminal.stderr(`verified the enclave’s document: ${which} has key ${recipient.keyId}\n`)
  return recipient
}

function measurementsOf(pcr0: string | undefined): ExpectedMeasurements {
  if (pcr0 === undefined) return 'registry'
  if (/^0x[\da-f]{64}$/i.test(pcr0)) return { pcr0Commitment: pcr0 as Hex }
  if (/^0x[\da-f]{96}$/i.test(pcr0)) return [{ 0: pcr0 as Hex }]
  throw new UsageError('--pcr0 is 48 bytes as hex, or 32 of its commitment.')
}

function rootsOf(text: string | undefined): NitroRoot[] | undefined {
  return text?.split(',').map((word) => {
    const sha256 = word.trim() as Hex
    if (!/^0x[\da-f]{64}$/i.test(sha256)) {
      throw new UsageError(`--insecure-root is 32 bytes as hex, not ${JSON.stringify(word)}.`)
    }
    return { sha256 }
  })
}

/** `show-secrets`. */
export const showSecrets: CommandDef = command({
  name: 'show-secrets',
  example: 'newton-policy policy-data instance show-secrets --instance 0x…',
  description:
    'Show what is known about sealed secrets: sequence, key, size, time; never the secrets',
  args: { ...instanceArg, ...gatewayArgs, ...chainArgs },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const instanceId = args.instance as Hex
    const lacking = await withoutSecrets(target, { instanceId, signal })
    if (lacking !== undefined) return lacking
    const gateway = gatewayOf(terminal, { args: args as GatewayArgs, profile: target.profile })
    const metadata = await secretsMetadata(gateway, { target, instanceId, signal })
    if (metadata === undefined) {
      return nothing(
        'no secrets',
        `run: ${uploadWith} --instance ${instanceId} --secrets <file.json>`,
      )
    }
    const lines = Object.entries(metadata).map(
      ([name, value]) => `${name.padEnd(18)} ${typeof value === 'string' ? value : toJson(value)}`,
    )
    return { data: { metadata }, text: lines.join('\n') }
  },
})

const uploadWith = 'newton-policy policy-data instance set-secrets'

function nothing(text: string, hint: string): CommandResult {
  const exitCode = exitCodes.notFound
  return { data: { metadata: null }, text, exitCode, problem: { message: text, hint } }
}

/** The chain knows of instances that are not there, and of those that take no secrets: nobody else is asked. */
async function withoutSecrets(
  { client, addresses, name }: ChainTarget,
  { instanceId, signal }: { instanceId: Hex; signal: AbortSignal },
): Promise<CommandResult | undefined> {
  const reader = await createRegistryReader({ client, addresses }, { signal })
  const row = await reader.getPolicyDataInstance(instanceId, { signal })
  if (row === null) {
    return nothing(
      `no policy-data instance ${instanceId} on ${name}`,
      'run: newton-policy policy-data instance list',
    )
  }
  const template = await reader.getPolicyDataTemplate(row.templateId, { signal })
  return template?.secretsSchemaHash === ARTIFACT_ABSENT
    ? nothing(`no secrets: the template ${row.templateId} takes none`, '')
    : undefined
}
