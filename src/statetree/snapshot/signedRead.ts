/**
 * Reads of one leaf, with its proof: `POST /v1/read`, in the shape of `newt_signedRead`.
 *
 * ```
 * { "namespace": 3, "name": "0x…", "root": "0x…" | "block": "123" }        neither: the newest root
 * { "valueHash", "value", "proof", "commit": { "sequenceNo", "root", "block" } }
 * ```
 * Leaves of artifacts are anyone's to read, and their bytes are at `/v1/bytes`. Leaves of the
 * private-data layer go, with their bytes, to whom it lets in, and to nobody where nothing is said
 * about who that is. Whether a leaf is there is part of what is private: a caller who is not let in
 * gets one answer for all of them.
 */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../core/artifact.js'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import { LeafRefusedError, SnapshotError } from '../errors.js'
import { defaultHasher } from '../hash/hasher.js'
import type { CommittedRoot } from '../pipeline/replica/committed.js'
import { type TreeProof, verifyProof } from '../proof/proof.js'
import type { StateTree } from '../stateTree.js'

/** Name of the call, for whoever authenticates it. */
export const SIGNED_READ_METHOD = 'newt_signedRead'

/** Most bytes of a request for a leaf. */
export const MAX_READ_BYTES = 1_024

/** A leaf, and the root it is read under: a given one, that of a block, or the newest. */
export type SignedReadParams = {
  /** 1 to 8. */
  namespace: number
  /** The artifact's hash, or the name that the private-data layer gives its leaf. */
  name: Hex
  root?: Hex | undefined
  block?: bigint | undefined
}

/** A leaf as it is under a root. */
export type LeafReading = {
  /** `null` where the leaf is not there, which `proof` shows. */
  valueHash: Hex | null
  /** The bytes of a private leaf. Those of artifacts are had by their hash. */
  value: Uint8Array | undefined
  proof: TreeProof
  /** `block` is left out where the server does not follow the chain. */
  commit: { sequenceNo: bigint; root: Hex; block?: bigint | undefined }
}

/** Who may read the leaves of the private-data layer: that layer's own rule. */
export type LeafAdmission = {
  /** Who signed the call, `undefined` for nobody. `params` are as they were signed. */
  authenticate(call: {
    method: typeof SIGNED_READ_METHOD
    params: JsonObject
    authorization: string | null
  }): Promise<string | undefined>
  /** Whether that caller may read the leaf. Anything but `true`, and an error, is no. */
  mayRead(leaf: {
    caller: string
    namespace: number
    name: Hex
    keyHash: Hex
  }): boolean | Promise<boolean>
}

/** What a server reads leaves from. */
export type LeafSource = {
  tree: StateTree
  /** Who may read private leaves. Left out: nobody. */
  mayRead?: LeafAdmission['mayRead'] | undefined
  /** What was committed at a block, as `committedTree` knows it. Left out: blocks are refused. */
  rootAt?: ((block: bigint) => Promise<CommittedRoot | null>) | undefined
}

/** Writes the parameters in the one form that is signed and sent. */
export function writeReadParams(given: SignedReadParams): JsonObject {
  assertMembers('params', given, ['namespace', 'name'])
  const { namespace, name, root, block } = given
  for (const [field, value] of Object.entries({ name, root }))
    if (value !== undefined && typeof value !== 'string')
      throw new InvalidInputError({ field: `params.${field}`, reason: 'expected hex' })
  const params: Record<string, Json> = { namespace, name: name.toLowerCase() }
  if (root !== undefined) params['root'] = root.toLowerCase()
  if (block !== undefined) params['block'] = block.toString()
  return params
}

/** Reads parameters of any shape. @throws {LeafRefusedError} */
export function readReadParams(value: unknown): SignedReadParams {
  const refuse = (): never => {
    throw new LeafRefusedError({
      status: 400,
      reason: 'expected namespace, name, and root or block',
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse()
  const { namespace, name, root, block, ...rest } = value as Record<string, unknown>
  const isWord = (text: unknown): text is Hex =>
    typeof text === 'string' && /^0x[0-9a-f]{64}$/.test(text)
  const isBlock = typeof block === 'string' && /^(0|[1-9]\d{0,18})$/.test(block)
  if (!Number.isInteger(namespace) || (namespace as number) < 1 || (namespace as number) > 8)
    return refuse()
  if (!isWord(name) || Object.keys(rest).length > 0) return refuse()
  if ((root !== undefined && !isWord(root)) || (block !== undefined && !isBlock)) return refuse()
  if (root !== undefined && block !== undefined) return refuse()
  return {
    namespace: namespace as number,
    name,
    ...(root === undefined ? {} : { root: root as Hex }),
    ...(block === undefined ? {} : { block: BigInt(block as string) }),
  }
}

/**
 * Answers one read: what `POST /v1/read` and an operator's `newt_signedRead` have in common.
 *
 * @param identify - Who signed the call, `undefined` for nobody. Asked for private leaves alone.
 * @throws {LeafRefusedError} where it is not answered with a leaf.
 */
export async function readLeaf(
  source: LeafSource,
  params: SignedReadParams,
  identify: () => Promise<string | undefined>,
): Promise<LeafReading> {
  const { tree } = source
  const { namespace, name } = params
  const keyHash = computeKeyHash(namespace, name)
  const isPrivate = namespace <= 3
  // Before anything is looked up, so that no answer depends on what is there.
  if (isPrivate) await admit(source.mayRead, { namespace, name, keyHash, identify })
  const { commit, version } = await commitOf(source, params)
  const valueHash = tree.get(keyHash, { version }) ?? null
  // An artifact's leaf names its own hash; under any other value it is somebody's private leaf.
  if (!isPrivate && valueHash !== null && valueHash !== name)
    throw new LeafRefusedError({ status: 403, reason: 'the leaf is none of an artifact' })
  const proof = tree.prove(keyHash, { version })
  const value = isPrivate && valueHash !== null ? await tree.store.bytes.get(valueHash) : undefined
  return { valueHash, value, proof, commit }
}

async function admit(
  mayRead: LeafSource['mayRead'],
  leaf: {
    namespace: number
    name: Hex
    keyHash: Hex
    identify: () => Promise<string | undefined>
  },
): Promise<void> {
  const { identify, ...asked } = leaf
  if (mayRead === undefined)
    throw new LeafRefusedError({ status: 403, reason: 'private leaves are not served' })
  let caller: string | undefined
  let isLetIn = false
  try {
    caller = await identify()
    isLetIn = caller !== undefined && (await mayRead({ caller, ...asked })) === true
  } catch {
    // A rule that fails lets nobody in.
    isLetIn = false
  }
  if (caller === undefined)
    throw new LeafRefusedError({ status: 401, reason: 'the call is not signed by a caller' })
  if (!isLetIn) throw new LeafRefusedError({ status: 403, reason: 'the caller is not let in' })
}

async function commitOf(
  { tree, rootAt }: LeafSource,
  { root, block }: SignedReadParams,
): Promise<{ commit: LeafReading['commit']; version: number }> {
  const range = tree.range()
  if (range === undefined) throw new LeafRefusedError({ status: 404, reason: 'the tree is empty' })
  const isOf = (version: number, wanted: Hex): boolean =>
    version >= range.oldest && version <= range.latest && tree.root({ version }) === wanted
  if (block !== undefined) {
    const commit = (await rootAt?.(block)) ?? undefined
    if (commit === undefined || !isOf(Number(commit.sequenceNo), commit.root))
      throw new LeafRefusedError({ status: 404, reason: 'no commit at that block is retained' })
    return { commit, version: Number(commit.sequenceNo) }
  }
  let version = range.latest
  while (root !== undefined && version >= range.oldest && !isOf(version, root)) version -= 1
  if (version < range.oldest)
    throw new LeafRefusedError({ status: 404, reason: 'that root is not retained' })
  return { commit: { sequenceNo: BigInt(version), root: tree.root({ version }) }, version }
}

/** Writes a reading as JSON, as it travels and as it is kept in a file. */
export function writeLeafReading({ valueHash, value, proof, commit }: LeafReading): JsonObject {
  const { leaf } = proof
  return {
    valueHash,
    value: value === undefined ? null : toHex(value),
    proof: {
      type: proof.type,
      depth: proof.depth,
      present: `0x${proof.present.toString(16)}`,
      siblings: toHex(proof.siblings),
      leaf: leaf ? { keyHash: toHex(leaf.keyHash), valueHash: toHex(leaf.valueHash) } : null,
    },
    commit: {
      sequenceNo: commit.sequenceNo.toString(),
      root: commit.root,
      block: commit.block === undefined ? null : commit.block.toString(),
    },
  }
}

/** Reads what a server answered. Nothing of it is checked but its shape. @throws {SnapshotError} */
export function readLeafReading(value: unknown): LeafReading {
  try {
    const answer = value as Record<string, never>
    const { valueHash, proof, commit } = answer as never as {
      valueHash: string | null
      proof: Record<string, unknown>
      commit: Record<string, unknown>
    }
    const given = answer['value'] as unknown
    const leaf = proof['leaf'] as { keyHash: string; valueHash: string } | null
    if (proof['type'] !== 'inclusion' && proof['type'] !== 'exclusion') throw wrong('type')
    if (!Number.isInteger(proof['depth'])) throw wrong('depth')
    const block = commit['block']
    return {
      valueHash: valueHash === null ? null : word(valueHash),
      value: given === null ? undefined : fromHex(given as Hex),
      proof: {
        type: proof['type'],
        depth: proof['depth'] as number,
        present: BigInt(proof['present'] as string),
        siblings: fromHex(proof['siblings'] as Hex),
        leaf:
          leaf === null
            ? undefined
            : { keyHash: fromHex(word(leaf.keyHash)), valueHash: fromHex(word(leaf.valueHash)) },
      },
      commit: {
        sequenceNo: BigInt(commit['sequenceNo'] as string),
        root: word(commit['root']),
        ...(block === null ? {} : { block: BigInt(block as string) }),
      },
    }
  } catch (cause) {
    throw new SnapshotError({ reason: 'its answer to a read is malformed' }, { cause })
  }
}

function word(value: unknown): Hex {
  if (typeof value !== 'string' || !/^0x[0-9a-f]{64}$/.test(value)) throw wrong('word')
  return value as Hex
}

function wrong(field: string): InvalidInputError {
  return new InvalidInputError({ field, reason: 'it has another form' })
}

/**
 * Checks that a reading shows the leaf that was asked for, under the root that it names. Whether that root
 * was committed is the chain's to say.
 *
 * @throws {SnapshotError} where it shows something else.
 * @example
 * ```ts
 * import { assertLeafReading, readLeafReading } from '@newton/policy-sdk/statetree'
 *
 * const reading = readLeafReading(JSON.parse(text))
 * assertLeafReading({ namespace: 4, name: regoHash, root: committedRoot }, reading)
 * ```
 */
export function assertLeafReading(
  { namespace, name, root }: SignedReadParams,
  { valueHash, value, proof, commit }: LeafReading,
): void {
  const refuse = (reason: string): never => {
    throw new SnapshotError({ reason })
  }
  if (root !== undefined && commit.root !== root.toLowerCase()) refuse('it read under another root')
  const keyHash = computeKeyHash(namespace, name)
  if (!verifyProof({ root: commit.root, keyHash, valueHash, proof }))
    refuse('its proof does not show the leaf')
  if (value !== undefined && toHex(defaultHasher().hash(value)) !== valueHash)
    refuse('its value is not that of the leaf')
  if (namespace <= 3 && valueHash !== null && value === undefined)
    refuse('it does not hold the bytes of the leaf')
}
