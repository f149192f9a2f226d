/** `enclave`: measurements and attestation documents, of the simulator and of AWS. */
import { writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { type Hex, hexToBytes } from 'viem'
import {
  type NitroVerdict,
  type PcrSet,
  verifyArchivedNitroAttestation,
  verifyNitroAttestation,
} from '../../enclave/index.js'
import { createSimulator, type ImagePart, measureImage } from '../../enclave/simulator/index.js'
import { FileAccessError, UsageError } from '../errors.js'
import { readBytes } from '../files.js'
import { integer } from '../intent.js'
import { command, group } from '../terminal/command.js'
import { exitCodes, type Terminal } from '../terminal/output.js'

const imageArg = {
  image: {
    type: 'string',
    description: 'Files of the image, separated by commas; each is measured by its name',
    required: true,
    valueHint: 'files',
  },
} as const

async function imageOf(terminal: Terminal, list: string): Promise<ImagePart[]> {
  const paths = list.split(',').filter((path) => path !== '')
  return Promise.all(
    paths.map(async (path) => ({ name: basename(path), bytes: await readBytes(terminal, path) })),
  )
}

function bytesOf(text: string | undefined, option: string): Uint8Array | undefined {
  if (text === undefined) return undefined
  if (!/^0x(?:[\da-fA-F]{2})*$/.test(text)) throw new UsageError(`${option} is hex, 0x….`)
  return hexToBytes(text as Hex)
}

const measure = command({
  name: 'measure',
  example: 'newton-policy enclave measure --image policy.rego,plugin.wasm',
  description:
    'Measure an image as the simulator does; images of AWS are measured by nitro-cli build-enclave',
  args: imageArg,
  run: async ({ args, terminal }) => {
    const { pcrs, pcr0Commitment } = measureImage({ image: await imageOf(terminal, args.image) })
    const lines = ([0, 1, 2] as const).map((index) => `PCR${index}        ${pcrs[index]}`)
    return {
      data: { pcrs, pcr0Commitment },
      text: [...lines, `commitment  ${pcr0Commitment}`].join('\n'),
    }
  },
})

const simulate = command({
  name: 'simulate',
  example: 'newton-policy enclave simulate --image policy.rego --nonce 0x… --out document.cbor',
  description: 'Make the attestation document of a simulated enclave, and say how to verify it',
  args: {
    ...imageArg,
    nonce: { type: 'string', description: 'Nonce it answers', valueHint: '0x…' },
    'user-data': { type: 'string', description: 'Data it attests to', valueHint: '0x…' },
    out: { type: 'string', description: 'File of the document', required: true, valueHint: 'file' },
  },
  run: async ({ args, terminal, signal }) => {
    const { nsm, root, measurements } = createSimulator({
      image: await imageOf(terminal, args.image),
    })
    const asked = {
      nonce: bytesOf(args.nonce, '--nonce'),
      userData: bytesOf(args['user-data'], '--user-data'),
    }
    const document = await nsm.attest(asked, { signal })
    try {
      await writeFile(resolve(terminal.cwd, args.out), document)
    } catch (cause) {
      throw new FileAccessError({ path: args.out, action: 'written' }, { cause })
    }
    const { pcrs, pcr0Commitment } = measurements
    const nonce = args.nonce === undefined ? '' : ` --nonce ${args.nonce}`
    terminal.stderr(
      `verify it: newton-policy enclave verify ${args.out} --pcr0 ${pcrs[0]} --insecure-root ${root.sha256}${nonce}\n`,
    )
    return {
      data: { file: args.out, rootSha256: root.sha256, pcrs, pcr0Commitment },
      text: pcr0Commitment,
    }
  },
})

const verifyArgs = {
  file: { type: 'positional', description: 'The document, COSE as it came', required: true },
  pcr0: {
    type: 'string',
    description: 'Expected PCR0, 48 bytes, or its commitment, 32 bytes',
    required: true,
    valueHint: '0x…',
  },
  pcr1: { type: 'string', description: 'Expected PCR1', valueHint: '0x…' },
  pcr2: { type: 'string', description: 'Expected PCR2', valueHint: '0x…' },
  nonce: { type: 'string', description: 'The nonce that was asked with', valueHint: '0x…' },
  'user-data': { type: 'string', description: 'What it must attest to', valueHint: '0x…' },
  'max-age': { type: 'string', description: 'Seconds that it may be old', default: '300' },
  archived: {
    type: 'boolean',
    description: 'Judge it at its own time: that it existed, not that it is fresh',
    default: false,
  },
  'insecure-root': {
    type: 'string',
    description: 'SHA-256 of a root other than that of AWS, as of a simulator',
    valueHint: '0x…',
  },
} as const

type VerifyArgs = {
  [name in keyof typeof verifyArgs]?:
    | ((typeof verifyArgs)[name] extends { type: 'boolean' } ? boolean : string)
    | undefined
}

async function judge(
  args: VerifyArgs,
  { document, signal }: { document: Uint8Array; signal: AbortSignal },
): Promise<NitroVerdict> {
  const { pcr0 = '', pcr1, pcr2, archived } = args
  const isCommitment = bytesOf(pcr0, '--pcr0')?.length === 32
  if (isCommitment && (pcr1 ?? pcr2) !== undefined) {
    throw new UsageError('--pcr1 and --pcr2 go with a whole PCR0, not with its commitment.')
  }
  const set = { 0: pcr0 as Hex, ...(pcr1 && { 1: pcr1 }), ...(pcr2 && { 2: pcr2 }) } as PcrSet
  const root = args['insecure-root'] as Hex | undefined
  const base = {
    measurements: isCommitment ? { pcr0Commitment: pcr0 as Hex } : [set],
    binding: {
      userData: bytesOf(args['user-data'], '--user-data') ?? ('any' as const),
      publicKey: 'any' as const,
    },
    ...(root !== undefined && { roots: [{ sha256: root }], insecureTrustRoot: true }),
  }
  const nonce = bytesOf(args.nonce, '--nonce')
  if (archived === true) {
    if (nonce !== undefined)
      throw new UsageError('--archived says nothing of freshness: leave --nonce out.')
    return verifyArchivedNitroAttestation(document, { ...base, at: 'document' }, { signal })
  }
  const maxAge = Number(integer(args['max-age'], '--max-age')) * 1_000
  const freshness =
    nonce === undefined
      ? ({ kind: 'maxAge', maxAge } as const)
      : ({ kind: 'nonce', nonce, maxAge } as const)
  return verifyNitroAttestation(document, { ...base, freshness }, { signal })
}

const verify = command({
  name: 'verify',
  example: 'newton-policy enclave verify document.cbor --pcr0 0x… --nonce 0x…',
  description: 'Verify an attestation document; exit code 3 where it is refused',
  args: verifyArgs,
  run: async ({ args, terminal, signal }) => {
    const document = await readBytes(terminal, args.file)
    const verdict = await judge(args, { document, signal })
    if (verdict.status !== 'valid') {
      const { code, stage } = verdict
      return {
        data: { verified: false, code, stage },
        text: `refused at ${stage}: ${code}`,
        exitCode: exitCodes.denied,
      }
    }
    const { attestation } = verdict
    if (attestation.assurance === 'simulator') {
      terminal.stderr('warning: Its root is not that of AWS: anyone can have made it.\n')
    }
    const time = new Date(attestation.timestamp).toISOString()
    return {
      data: { verified: true, ...attestation },
      text: [
        `valid: ${attestation.assurance}, ${attestation.freshness}, made ${time}`,
        `commitment  ${attestation.pcr0Commitment}`,
        `user data   ${attestation.userData ?? 'none'}`,
      ].join('\n'),
    }
  },
})

/** The commands of enclaves. */
export const enclave: CommandDef = group(
  'enclave',
  'Enclave measurements and attestation documents',
  {
    measure: async () => measure,
    verify: async () => verify,
    simulate: async () => simulate,
  },
)
