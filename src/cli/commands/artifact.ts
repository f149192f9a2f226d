import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { artifactHashBytes, computeArtifactHash } from '../../core/index.js'
import { toHex } from '../../internal/bytes.js'
import { command, group } from '../command.js'
import { readBytes } from '../files.js'
import { exitCodes } from '../output.js'

const hash = command({
  name: 'hash',
  description: 'Print the name of an artifact: keccak-256 of the file',
  args: { file: { type: 'positional', description: 'The artifact', required: true } },
  run: async ({ args, terminal }) => {
    const bytes = await readBytes(terminal, args.file)
    const artifactHash = computeArtifactHash(bytes)
    return { data: { artifactHash, byteLength: bytes.length }, text: artifactHash }
  },
})

const verify = command({
  name: 'verify',
  description: 'Check that a file is the artifact of that name; exit code 3 where it is not',
  args: {
    file: { type: 'positional', description: 'The artifact', required: true },
    hash: {
      type: 'string',
      description: 'Expected artifact hash',
      required: true,
      valueHint: '0x…',
    },
  },
  run: async ({ args, terminal }) => {
    const actual = computeArtifactHash(await readBytes(terminal, args.file))
    const expected = toHex(artifactHashBytes(args.hash as Hex, { field: 'hash', optional: false }))
    const matches = actual === expected
    return {
      data: { matches, actual, expected },
      text: matches ? `${args.file} is ${actual}` : `${args.file} is ${actual}, not ${expected}`,
      exitCode: matches ? exitCodes.done : exitCodes.denied,
    }
  },
})

export const artifact: CommandDef = group(
  'artifact',
  'Artifacts: immutable bytes named by their hash',
  {
    hash: async () => hash,
    verify: async () => verify,
  },
)
