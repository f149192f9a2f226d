/**
 * Sealed secrets on their way into the tree. An upload is judged once, on receipt: its form, its owner's
 * signature, its sequence; only then may an enclave open it. What is held here this operator proposes, and
 * lets others propose; leaving one out is no fault.
 */
import type { Address, Hex } from 'viem'
import { computeKeyHash, namespaces } from '../../core/artifact.js'
import type { ExternalWrite, ExternalWrites } from '../../core/interfaces/externalWrites.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { type ContractSignatureCheck, decodeEnvelopeV2, isEnvelopeV1 } from '../../enclave/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { createOrder } from '../../internal/singleFlight.js'
import type { ByteStore } from '../../statetree/index.js'
import { refuse } from '../rpc/envelope.js'
import type { SecretsDescription, SecretsMetadata, SecretsUploadRecord } from '../rpc/uploads.js'
import { createFloors } from './floors.js'
import { instanceOf, type JudgedUpload, judgeUpload } from './judging.js'
import {
  emptyRecords,
  type HeldUpload,
  readRecords,
  rememberLanded,
  writeRecords,
} from './records.js'

/** Judges what is inside an envelope, where it can be opened. Throws where it does not fit. */
export type SecretsJudge = (
  parameters: {
    client: Address
    policyDataInstanceId: Hex
    envelope: Uint8Array
    secretsSchemaHash: Hex
  },
  options?: IoOptions,
) => Promise<void>

/** Parameters of {@link openSecretsInbox}. */
export type SecretsInboxParameters = {
  registry: RegistryReader
  /** The envelope that is committed now; `null` where there is none. */
  committed: (policyDataInstanceId: Hex, options?: IoOptions) => Promise<Uint8Array | null>
  /**
   * Hash of the envelope that is committed now, which is known at once where the envelope may not be at hand;
   * `undefined` where there is none. Left out: what is committed is known as of the last look at `committed`.
   */
  committedHash?: ((policyDataInstanceId: Hex) => Hex | undefined) | undefined
  /** Where envelopes are kept, under their hash. */
  bytes: ByteStore
  /** Keeps what waits over a restart. */
  store: { load(): Promise<string | null>; save(text: string): Promise<void> }
  /** Judges secrets against their schema; left out where nothing here can open them. */
  judge?: SecretsJudge | undefined
  /** Asks owners that are contracts. */
  isValidContractSignature?: ContractSignatureCheck | undefined
  /** Uploads of one owner that wait at most. @default 16 */
  perOwner?: number | undefined
  /** Uploads that wait at most. @default 4_096 */
  most?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/** Sealed secrets that wait for a commit. */
export type SecretsInbox = Required<ExternalWrites> & {
  /**
   * Takes an upload.
   *
   * @param parameters.validate - Has the enclave open it, and hold it against its schema.
   * @throws {OperatorRpcError} `SECRETS_REFUSED` with what is wrong, never with a value.
   */
  put(
    parameters: { upload: SecretsUploadRecord; validate: boolean },
    options?: IoOptions,
  ): Promise<{ envelopeHash: Hex }>
  /** An upload that is held, or was until it was committed. */
  get(envelopeHash: Hex): Promise<SecretsUploadRecord | null>
  metadata(policyDataInstanceId: Hex, options?: IoOptions): Promise<SecretsMetadata>
  /**
   * After a commit: what is in the tree, or cannot come into it any more, waits no longer. Where the committed
   * envelope of an instance cannot be had, the others are settled all the same.
   *
   * @throws what `committed` threw first, once all others are settled: to be called again.
   */
  settle(options?: IoOptions): Promise<void>
  /** Number of uploads that wait. */
  size(): number
}

/** How far above the committed one a sequence may be. */
const MAX_AHEAD = 1_000n
/** Seconds after its deadline for which an upload is still let in where others propose it. */
const GRACE = 600n
/** Writes of one commit. */
const MOST_WRITES = 256

/** Opens the uploads that wait. */
export async function openSecretsInbox(parameters: SecretsInboxParameters): Promise<SecretsInbox> {
  const { registry, bytes, store, now = Date.now, perOwner = 16, most = 4_096 } = parameters
  const records = readRecords(await store.load()) ?? emptyRecords()
  const { held, landed } = records
  const seconds = (): bigint => BigInt(Math.floor(now() / 1_000))
  const save = (): Promise<void> => store.save(writeRecords(records))
  const inOrder = createOrder()
  const floors = createFloors(parameters, records)
  const committedSequence = (id: Hex, io: IoOptions): Promise<bigint> => floors.read(id, io)
  const of = (id: Hex): HeldUpload[] =>
    [...held.values()].filter((one) => one.policyDataInstanceId === id)
  const judge = async (upload: SecretsUploadRecord, io: IoOptions): Promise<JudgedUpload> => {
    const judged = await judgeUpload(
      upload,
      {
        ...{ registry, now, isValidContractSignature: parameters.isValidContractSignature },
        by: 'operator',
      },
      io,
    )
    const { policyDataInstanceId, sequence } = upload
    const committed = await committedSequence(policyDataInstanceId, io)
    if (sequence <= committed)
      throw refuse('SECRETS_REFUSED', `sequence ${sequence} is not above ${committed}`)
    if (sequence > committed + MAX_AHEAD) {
      throw refuse(
        'SECRETS_REFUSED',
        `sequence ${sequence} is more than ${MAX_AHEAD} above ${committed}`,
      )
    }
    return judged
  }
  const enter = async (
    upload: SecretsUploadRecord,
    { owner, envelopeHash }: JudgedUpload,
  ): Promise<void> => {
    // Another one may have been committed while it was judged.
    if (!floors.isAbove(upload)) {
      throw refuse('SECRETS_REFUSED', `sequence ${upload.sequence} is not above what is committed`)
    }
    const waiting = [...held.values()].filter((one) => one.owner === owner)
    if (waiting.length >= perOwner || held.size >= most) {
      const detail = 'too many uploads of this owner wait for a commit'
      throw refuse('OVERLOADED', detail, { retryAfter: 60_000 })
    }
    await bytes.put(envelopeHash, upload.envelope)
    const { envelope: _, ...rest } = upload
    held.set(envelopeHash, { ...rest, envelopeHash, owner, time: now() })
    await save()
  }

  return {
    size: () => held.size,
    async put({ upload: given, validate }, io = {}) {
      const id = given.policyDataInstanceId.toLowerCase() as Hex
      const upload = { ...given, policyDataInstanceId: id }
      const known = held.has(keccakHex(upload.envelope))
      if (known && !validate) return { envelopeHash: keccakHex(upload.envelope) }
      const judged = await judge(upload, io)
      if (validate) {
        const { client, secretsSchemaHash } = judged
        if (parameters.judge === undefined) {
          throw refuse('ENCLAVE_MISSING', 'this operator has no enclave that opens secrets')
        }
        const { envelope } = upload
        await parameters.judge(
          { client, policyDataInstanceId: id, envelope, secretsSchemaHash },
          io,
        )
      }
      // One after another: places are counted and taken without others between.
      await inOrder(async () => {
        if (!held.has(judged.envelopeHash)) await enter(upload, judged)
      })
      return { envelopeHash: judged.envelopeHash }
    },
    async get(envelopeHash) {
      const found = held.get(envelopeHash) ?? landed.get(envelopeHash)
      const envelope = await bytes.get(envelopeHash)
      if (found === undefined || envelope === undefined) return null
      const { policyDataInstanceId, ownerSignature, sequence, deadline } = found
      return { policyDataInstanceId, envelope, ownerSignature, sequence, deadline }
    },
    async metadata(given, io = {}) {
      const policyDataInstanceId = given.toLowerCase() as Hex
      const { secretsSchemaHash: schemaHash } = await instanceOf(policyDataInstanceId, {
        registry,
        io,
        by: 'operator',
      })
      const committed = await parameters.committed(policyDataInstanceId, io)
      const [best] = of(policyDataInstanceId).sort(bestFirst)
      const waiting = best === undefined ? undefined : await bytes.get(best.envelopeHash)
      return {
        ...{ policyDataInstanceId, schemaHash },
        committed:
          committed === null || isEnvelopeV1(committed)
            ? null
            : describe(committed, landed.get(keccakHex(committed))),
        pending: waiting === undefined ? null : describe(waiting, best),
      }
    },
    async settle(io = {}) {
      let changed = false
      let failure: { error: unknown } | undefined
      const instances = new Set([...held.values()].map((one) => one.policyDataInstanceId))
      for (const id of instances) {
        // One whose envelope cannot be had keeps only its own waiting.
        const sequence = await committedSequence(id, io).catch((error: unknown) => {
          failure ??= { error }
          return undefined
        })
        for (const one of of(id)) {
          const passed = sequence !== undefined && one.sequence <= sequence
          if (!passed && one.deadline + GRACE >= seconds()) continue
          held.delete(one.envelopeHash)
          const isCommitted = parameters.committedHash?.(id) === one.envelopeHash
          if (one.sequence === sequence || isCommitted) rememberLanded(landed, one)
          changed = true
        }
      }
      if (changed) await save()
      if (failure !== undefined) throw failure.error
    },
    async writesFor() {
      const best = new Map<Hex, HeldUpload>()
      for (const one of [...held.values()].sort(bestFirst)) {
        const { policyDataInstanceId: id } = one
        if (one.deadline >= seconds() && !best.has(id) && floors.isAbove(one)) best.set(id, one)
      }
      return [...best.values()]
        .map(writeOf)
        .sort((a, b) => (a.keyHash < b.keyHash ? -1 : 1))
        .slice(0, MOST_WRITES)
    },
    accepts({ namespace, keyHash, valueHash }) {
      const one = valueHash === null ? undefined : held.get(valueHash)
      if (namespace !== namespaces.secrets || one === undefined) return false
      if (writeOf(one).keyHash !== keyHash) return false
      // Whoever proposes does not take a client's secrets back to older ones.
      if (!floors.isAbove(one)) return false
      // Of two with one sequence the lower hash wins.
      return of(one.policyDataInstanceId).every(
        (other) => other.sequence !== one.sequence || one.envelopeHash <= other.envelopeHash,
      )
    },
  }
}

/** The highest sequence first; of one sequence the lowest hash. */
function bestFirst(a: HeldUpload, b: HeldUpload): number {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence ? -1 : 1
  return a.envelopeHash < b.envelopeHash ? -1 : 1
}

function writeOf({ policyDataInstanceId, envelopeHash }: HeldUpload): ExternalWrite {
  const namespace = namespaces.secrets
  return {
    namespace,
    keyHash: computeKeyHash(namespace, policyDataInstanceId),
    valueHash: envelopeHash,
  }
}

function describe(
  envelope: Uint8Array,
  record: Pick<HeldUpload, 'time' | 'owner'> | undefined,
): SecretsDescription {
  const { sequence, epoch, keyId } = decodeEnvelopeV2(envelope)
  return {
    ...{ envelopeHash: keccakHex(envelope), sequence, epoch, keyId, bytes: envelope.length },
    ...{ time: record?.time, uploader: record?.owner },
  }
}
