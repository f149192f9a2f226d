/**
 * Bytes of the artifacts that a registration names, handed to operators once it is mined: the way in
 * beside the announced locators.
 */

import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
} from '../../../core/artifact.js'
import { assertOperator, type PushResult, pushArtifact } from '../../../da/pushArtifact.js'
import { InvalidInputError } from '../../../errors/common.js'
import { copyBytes } from '../../../internal/bytes.js'
import { assertOptions } from '../../../internal/options.js'
import { pause } from '../../../internal/pause.js'
import type { PolicyDataTemplateInput, PolicyTemplateInput } from '../../rows/inputs.js'
import type { SyncAction } from './write.js'

/** To whom the artifacts of a registration are handed. */
export type PushInput = {
  /** Base URLs of operators. */
  operators: readonly string[]
  /** The bytes. Each must be an artifact that the registration names; the others are not handed in. */
  artifacts: readonly Uint8Array[]
  fetch?: typeof globalThis.fetch | undefined
  /**
   * Milliseconds that operators have, in all: they take bytes once they have seen the registration, so
   * those that do not know it yet are asked again. @default 30_000
   */
  timeout?: number | undefined
}

/** Option of the writes that register templates and wait. */
export type PushOptions = { push?: PushInput | undefined }

/** What became of one artifact, operator by operator. */
export type PushedArtifact = {
  namespace: ArtifactNamespace
  hash: Hex
  results: readonly PushResult[]
}

/** What became of the artifacts; there where `push` was given. */
export type Pushed = { pushed?: readonly PushedArtifact[] | undefined }

type Named = { namespace: ArtifactNamespace; hash: Hex }
type Ready = { namespace: ArtifactNamespace; hash: Hex; bytes: Uint8Array }

/** The artifacts of a policy template. */
export function artifactsOfPolicy(input: PolicyTemplateInput): Named[] {
  return [
    { namespace: namespaces.rego, hash: input.regoHash },
    { namespace: namespaces.policyParamsSchema, hash: input.paramsSchemaHash },
  ]
}

/** The artifacts of a policy-data template. */
export function artifactsOfPolicyData(input: PolicyDataTemplateInput): Named[] {
  return [
    { namespace: namespaces.wasm, hash: input.wasmHash },
    { namespace: namespaces.policyDataParamsSchema, hash: input.paramsSchemaHash },
    { namespace: namespaces.secretsSchema, hash: input.secretsSchemaHash },
  ]
}

/** A waiting write that then hands artifacts in. */
export function thenPush<input, event>(
  sync: SyncAction<input, event>,
  named: (input: input) => readonly Named[],
): SyncAction<input & PushOptions, event & Pushed> {
  const write = async (
    client: Parameters<typeof sync>[0],
    { push, ...parameters }: Parameters<typeof sync>[1] & PushOptions,
  ) => {
    const ready = readyToPush(push, named(parameters as input))
    const done = await sync(client, parameters as never)
    return push === undefined ? done : { ...done, pushed: await pushAll(ready, push, parameters) }
  }
  return write as never
}

/**
 * Checks what is to be handed in, before anything is signed.
 *
 * @throws {InvalidInputError} for bytes that are none of the named artifacts, operators that are no URLs,
 * and a time that is none.
 */
export function readyToPush(push: PushInput | undefined, named: readonly Named[]): Ready[] {
  if (push === undefined) return []
  assertOptions(
    push,
    { operators: 'list', artifacts: 'list', fetch: 'function', timeout: 'milliseconds' },
    { field: 'push', required: ['operators', 'artifacts'] },
  )
  for (const [index, url] of push.operators.entries())
    assertOperator(`push.operators[${index}]`, url)
  return push.artifacts.flatMap((bytes, index) => {
    if (!(bytes instanceof Uint8Array))
      throw new InvalidInputError({ field: `push.artifacts[${index}]`, reason: 'expected bytes' })
    const hash = computeArtifactHash(bytes)
    const found = named.filter((one) => one.hash.toLowerCase() === hash)
    if (found.length === 0 || hash === ARTIFACT_ABSENT) {
      const reason = 'the registration names no artifact of these bytes'
      throw new InvalidInputError({ field: `push.artifacts[${index}]`, reason })
    }
    return [...new Set(found.map(({ namespace }) => namespace))].map((namespace) => {
      return { namespace, hash, bytes: copyBytes(bytes) }
    })
  })
}

/** Milliseconds before operators are asked again, doubled each time up to the second. */
const waits = { first: 500, most: 8_000 }

/**
 * Hands the artifacts in. What is registered is registered: nothing here throws, and a caller who leaves
 * gets what is known by then.
 */
export async function pushAll(
  ready: readonly Ready[],
  { operators, fetch, timeout = 30_000 }: PushInput,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<PushedArtifact[]> {
  const until = AbortSignal.timeout(timeout)
  const ending = signal === undefined ? until : AbortSignal.any([signal, until])
  return Promise.all(
    ready.map(async ({ namespace, hash, bytes }) => {
      const results = new Map<string, PushResult>(
        operators.map((url) => [url, { url, status: 'unanswered' }]),
      )
      let open = [...results.keys()]
      for (let wait = waits.first; open.length > 0; wait = Math.min(wait * 2, waits.most)) {
        const call = { operators: open, namespace, bytes, fetch }
        const answers = await pushArtifact(call, { signal: ending, timeout }).catch(() => [])
        for (const answer of answers) results.set(answer.url, answer)
        open = open.filter((url) => mayStill(results.get(url) as PushResult))
        if (open.length === 0 || ending.aborted) break
        await pause(wait, ending)
        if (ending.aborted) break
      }
      return { namespace, hash, results: [...results.values()] }
    }),
  )
}

// 404: it has not seen the registration yet. 429 and 5xx: it is busy.
function mayStill({ status, httpStatus = 0 }: PushResult): boolean {
  if (status === 'unanswered') return true
  return status === 'refused' && (httpStatus === 404 || httpStatus === 429 || httpStatus >= 500)
}
