/**
 * One reader over several endpoints: what one of them says alone is not believed.
 *
 * An endpoint can be stuck, on a dead branch, or lie. Its rows are checked against their ids, but a
 * slot, a whitelist, an operator table or the newest block has nothing to be checked against, except
 * what other endpoints say.
 */
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { BlockReference, RegistryReader } from '../../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { EndpointsDisagreeError } from '../../chain/errors.js'
import { type HeadAge, headAgeCheck } from './headAge.js'

/** One endpoint that is compared with others. */
export type ComparedEndpoint = {
  /** Names it in errors. Without a key or password: errors are logged. */
  name: string
  registry: RegistryReader
  certificates?: CertificateReader | undefined
}

/** Options of {@link createComparingReader}. */
export type CompareOptions = HeadAge & {
  /** Blocks that the newest blocks of two endpoints may lie apart. @default 5n */
  maxHeadDistance?: bigint | undefined
}

/** Readers that answer only where all endpoints do, alike. */
export type ComparingReader = {
  registry: RegistryReader
  /** There where every endpoint has one. */
  certificates?: CertificateReader
}

/**
 * Joins readers of endpoints of different providers to one.
 *
 * Every question is asked of all of them. Answers that differ are an error that names the endpoints, as
 * is an endpoint that does not answer: give each endpoint fallbacks of its own provider. The newest
 * block is the lowest of theirs, and the others must have it too. A block that one of them does not have
 * yet is not mined.
 *
 * @throws {InvalidInputError} for fewer than two endpoints, one name twice, or readers of different
 * chains or registries.
 * @example
 * ```ts
 * import { createComparingReader } from '@newton/policy-sdk/registry'
 *
 * const { registry, certificates } = createComparingReader(
 *   [
 *     { name: 'ours', registry: a, certificates: certificatesA },
 *     { name: 'theirs', registry: b, certificates: certificatesB },
 *   ],
 *   { maxHeadAge: 60_000 },
 * )
 * ```
 */
export function createComparingReader(
  endpoints: readonly ComparedEndpoint[],
  options: CompareOptions = {},
): ComparingReader {
  const first = assertComparable(endpoints)
  const { maxHeadDistance = 5n } = options
  const checkAge = headAgeCheck(options)
  const ask = askAll(endpoints)

  const registry: RegistryReader = {
    chainId: first.registry.chainId,
    policyRegistry: first.registry.policyRegistry,
    policyDataRegistry: first.registry.policyDataRegistry,
    getPolicyTemplate: (id, io) => ask('getPolicyTemplate', (r) => r.getPolicyTemplate(id, io)),
    getPolicyDataTemplate: (id, io) =>
      ask('getPolicyDataTemplate', (r) => r.getPolicyDataTemplate(id, io)),
    getPolicyInstance: (id, io) => ask('getPolicyInstance', (r) => r.getPolicyInstance(id, io)),
    getPolicyDataInstance: (id, io) =>
      ask('getPolicyDataInstance', (r) => r.getPolicyDataInstance(id, io)),
    currentPolicyInstanceAt: (slot, io) =>
      ask('currentPolicyInstanceAt', (r) => r.currentPolicyInstanceAt(slot, io)),
    currentPolicyDataInstanceAt: (slot, io) =>
      ask('currentPolicyDataInstanceAt', (r) => r.currentPolicyDataInstanceAt(slot, io)),
    enclaveRequiredAt: (block, io) =>
      ask('enclaveRequiredAt', (r) => r.enclaveRequiredAt(block, io)),
    isEnclaveWhitelistedAt: (build, io) =>
      ask('isEnclaveWhitelistedAt', (r) => r.isEnclaveWhitelistedAt(build, io)),
    getClient: (client, io) => ask('getClient', (r) => r.getClient(client, io)),
    snapshot: (request, io) => ask('snapshot', (r) => r.snapshot(request, io)),
    getBlock: (number, io) => blockOfAll(endpoints, { number, io }),
    getLatestBlock: async (io) => {
      const heads = await Promise.all(endpoints.map((one) => one.registry.getLatestBlock(io)))
      const lowest = heads.reduce((low, head) => (head.number < low.number ? head : low))
      for (const [index, head] of heads.entries()) {
        if (head.number - lowest.number > maxHeadDistance) {
          const at = heads.indexOf(lowest)
          throw disagree('getLatestBlock', endpoints, [
            { index, answer: `block ${head.number}` },
            { index: at, answer: `block ${lowest.number}` },
          ])
        }
      }
      const agreed = await blockOfAll(endpoints, { number: lowest.number, io })
      // Whoever was the lowest has lost the block since: its chain was reorganized.
      return agreed === null ? registry.getLatestBlock(io) : checkAge(agreed)
    },
  }
  const certificates = compareCertificates(endpoints)
  return certificates === undefined ? { registry } : { registry, certificates }
}

function assertComparable(endpoints: readonly ComparedEndpoint[]): ComparedEndpoint {
  const [first] = Array.isArray(endpoints) ? endpoints : []
  if (first === undefined || endpoints.length < 2) {
    throw new InvalidInputError({ field: 'endpoints', reason: 'expected two or more' })
  }
  endpoints.forEach(({ name, registry }, index) => {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidInputError({ field: `endpoints[${index}].name`, reason: 'expected a name' })
    }
    if (endpoints.findIndex((other) => other.name === name) !== index) {
      throw new InvalidInputError({ field: `endpoints[${index}].name`, reason: 'given twice' })
    }
    for (const member of ['chainId', 'policyRegistry', 'policyDataRegistry'] as const) {
      if (String(registry[member]).toLowerCase() === String(first.registry[member]).toLowerCase()) {
        continue
      }
      throw new InvalidInputError({
        field: `endpoints[${index}].registry.${member}`,
        reason: `${registry[member]}, that of ${first.name} is ${first.registry[member]}`,
      })
    }
  })
  return first
}

function compareCertificates(
  endpoints: readonly ComparedEndpoint[],
): CertificateReader | undefined {
  if (endpoints.some(({ certificates }) => certificates === undefined)) return undefined
  const ask = <value>(operation: string, read: (reader: CertificateReader) => Promise<value>) =>
    compare(operation, {
      endpoints,
      read: ({ certificates }) => read(certificates as CertificateReader),
    })
  return {
    tableAt: (block, io) => ask('tableAt', (reader) => reader.tableAt(block, io)),
    verifyCertificateAt: (certificate, io) =>
      ask('verifyCertificateAt', (reader) => reader.verifyCertificateAt(certificate, io)),
  }
}

type Ask = <value>(
  operation: string,
  read: (reader: RegistryReader) => Promise<value>,
) => Promise<value>

function askAll(endpoints: readonly ComparedEndpoint[]): Ask {
  return (operation, read) =>
    compare(operation, { endpoints, read: ({ registry }) => read(registry) })
}

async function compare<value>(
  operation: string,
  parameters: {
    endpoints: readonly ComparedEndpoint[]
    read: (endpoint: ComparedEndpoint) => Promise<value>
  },
): Promise<value> {
  const { endpoints, read } = parameters
  const answers = await Promise.all(endpoints.map(read))
  const texts = answers.map(textOf)
  const other = texts.findIndex((text) => text !== texts[0])
  if (other === -1) return answers[0] as value
  const [one, two] = [texts[0] as string, texts[other] as string]
  let start = 0
  while (one[start] === two[start]) start++
  throw disagree(operation, endpoints, [
    { index: 0, answer: excerpt(one, start) },
    { index: other, answer: excerpt(two, start) },
  ])
}

/** What is around the first difference. */
function excerpt(text: string, start: number): string {
  const from = Math.max(0, start - 60)
  const to = start + 100
  return `${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`
}

/** A block that all have, `null` where one of them does not have it yet. */
async function blockOfAll(
  endpoints: readonly ComparedEndpoint[],
  { number, io }: { number: bigint; io: IoOptions | undefined },
): Promise<BlockReference | null> {
  const blocks = await Promise.all(endpoints.map((one) => one.registry.getBlock(number, io)))
  const known = blocks.flatMap((block, index) => (block === null ? [] : [{ block, index }]))
  const [one] = known
  const other = known.find(({ block }) => textOf(block) !== textOf(one?.block))
  if (one !== undefined && other !== undefined) {
    throw disagree(
      `getBlock(${number})`,
      endpoints,
      [one, other].map(({ block, index }) => ({ index, answer: block.hash })),
    )
  }
  return known.length === blocks.length ? (one?.block ?? null) : null
}

function disagree(
  operation: string,
  endpoints: readonly ComparedEndpoint[],
  answers: readonly { index: number; answer: string }[],
): EndpointsDisagreeError {
  return new EndpointsDisagreeError({
    operation,
    answers: answers.map(({ index, answer }) => ({
      endpoint: endpoints[index]?.name as string,
      answer,
    })),
  })
}

/** A value as text, alike where it is alike: members in order, hex in lower case. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) => {
      if (typeof member === 'bigint') return `${member}n`
      if (typeof member === 'string')
        return /^0x[\da-f]*$/i.test(member) ? member.toLowerCase() : member
      if (typeof member !== 'object' || member === null || Array.isArray(member)) return member
      return Object.fromEntries(
        Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
      )
    }) ?? 'nothing'
  )
}
