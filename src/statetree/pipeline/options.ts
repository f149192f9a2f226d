/** Options of a pipeline, checked once. */
import { InvalidInputError } from '../../errors/common.js'
import { asBytes } from '../../internal/bytes.js'
import { assertFunctions, assertMembers, assertOptions } from '../../internal/options.js'
import type { CommitPipelineOptions } from './pipeline.js'

/** Bytes of a key that nobody guesses. */
const LEAST_KEY_BYTES = 16

const optionRules = {
  tree: 'object',
  events: 'object',
  artifacts: 'object',
  external: 'object',
  parameters: 'object',
  startBlock: 'uint',
  locatorKey: 'object',
  ownerOf: 'function',
  metrics: 'object',
  onEvent: 'function',
} as const

/** @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds. */
export function assertPipelineOptions(options: CommitPipelineOptions): void {
  assertOptions(options, optionRules, { required: ['tree', 'events'] })
  const { tree, events, artifacts, external, locatorKey } = options
  assertMembers('options.tree', tree, ['store', 'range', 'commit'])
  assertFunctions('options.events', events, ['getEvents', 'getBlock'])
  if (artifacts !== undefined) assertFunctions('options.artifacts', artifacts, ['getArtifact'])
  if (external !== undefined) assertFunctions('options.external', external, ['writesFor'])
  if (locatorKey === undefined) return
  if (asBytes(locatorKey) !== undefined && locatorKey.length >= LEAST_KEY_BYTES) return
  const reason = `expected at least ${LEAST_KEY_BYTES} bytes of a secret`
  throw new InvalidInputError({ field: 'options.locatorKey', reason })
}
