/**
 * Ninety days of a retention keeper on a clock of its own: a network that keeps a blob for fourteen
 * days, archives that may fail, a chain that strangers write on too, and keepers that are killed.
 *
 * A kill ends a keeper where it stands: what it had begun stays done, and nothing of it runs again,
 * no handler either. The next one starts from the journal and the chain.
 */
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../src/core/artifact.js'
import type { Announcer } from '../../src/core/interfaces/announcer.js'
import type { DaClient } from '../../src/core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../src/core/locator.js'
import { createDaAdapter } from '../../src/da/adapter.js'
import { createArtifactSource } from '../../src/da/artifactSource.js'
import { type EigenDaCert, encodeEigenDaCommitment } from '../../src/da/eigenda/cert/cert.js'
import { DaExpiredError, DaOutcomeUnknownError, DaUnavailableError } from '../../src/da/errors.js'
import { memoryDa } from '../../src/da/memoryDa.js'
import { memoryJournal, type RetentionJournal } from '../../src/da/retention/journal/journal.js'
import type { RetentionEntry } from '../../src/da/retention/plan.js'
import { createRetentionKeeper } from '../../src/da/retention/retentionKeeper.js'
import type { RetentionKeeperOptions } from '../../src/da/retention/retentionOptions.js'

const day = 86_400
const start = 1_000 * day

/** What happens in a world. Times are in days. */
export type RetentionScript = {
  days?: number
  /** Hours between two runs of the keeper. */
  every?: number
  /** One entry an archive: when it is out of order, and when its copy is damaged. */
  archives?: readonly { isDown?(at: number): boolean; damagedAt?: number }[]
  /** When announcing fails. */
  announcerFails?(at: number): boolean
  /** When the network gives back nothing right after it was paid. */
  readBackFails?(at: number): boolean
  /** Forged or worthless locators that strangers announce on a day. */
  forgeries?: number
  /** What the keeper's clock says, in Unix seconds. */
  clock?(seconds: number, at: number): number
  /** What the node says of a block's time, in Unix seconds, and when. */
  blockTime?(time: number, seconds: number): unknown
  /** What the network says of a copy's end, in Unix seconds, where it ends at `until`. */
  expiry?(until: number): number | undefined
  /** When the network is paid, and answers with the certificate of the copy before. */
  replays?(at: number): boolean
  /** Whether a failed read-back says the commitments alone. */
  isBare?: boolean
  /** What is listed beside the artifact. */
  among?: readonly unknown[]
  /** Bounds of the keeper that are not its own. */
  bounds?: Pick<RetentionKeeperOptions, 'urgentBefore' | 'renewAfter'>
  /** Whether one keeper runs for all the days; by default each run is a process of its own. */
  isOne?: boolean
  /** Numbers of the steps at which a keeper is killed. */
  killsAt?: ReadonlySet<number>
}

/** What came of it. */
export type RetentionOutcome = {
  payments: number
  /** Steps at which a keeper could have been killed. */
  steps: number
  kills: number
  /** First day with no copy anywhere, if there was one. */
  lostAt: number | undefined
  /** Whether the chain and the archives lead to the bytes in the end. */
  isReadable: boolean
  findings: ReadonlySet<string>
}

/** Runs a world to its end. */
export async function runRetention(script: RetentionScript = {}): Promise<RetentionOutcome> {
  const { days = 90, every = 1, archives = [], forgeries = 0, killsAt = new Set() } = script
  const world = createWorld(script)
  let kills = 0
  let lostAt: number | undefined
  const findings = new Set<string>()
  await world.publish()
  const one = script.isOne ? world.keeper(createLife(() => false, world.counter)) : undefined
  for (let hour = 0; hour < days * 24; hour += every) {
    world.setTime(start + hour * 3_600)
    for (let n = 0; n < forgeries && hour % 24 === 0; n++) world.forge(n)
    if (!world.isHeld()) lostAt ??= hour / 24
    const life = createLife((step) => killsAt.has(step), world.counter)
    const run = async (): Promise<void> => {
      const keeper = one ?? world.keeper(life)
      const plan = await keeper.plan()
      for (const { type } of plan.findings) findings.add(type)
      await keeper.apply(plan)
    }
    await Promise.race([run(), life.killed])
    if (life.isDead()) kills += 1
  }
  return {
    payments: world.payments(),
    steps: world.counter.steps,
    kills,
    lostAt,
    isReadable: await world.isReadable(archives.length > 0),
    findings,
  }
}

type Counter = { steps: number }

/** One keeper's life: after its kill no call of it ends. */
function createLife(isKilled: (step: number) => boolean, counter: Counter) {
  let dead = false
  let die = (): void => undefined
  const killed = new Promise<void>((resolve) => {
    die = resolve
  })
  const never = new Promise<never>(() => undefined)
  return {
    killed,
    isDead: () => dead,
    /** A point at which the process may end. */
    async point(): Promise<void> {
      if (dead) return never
      counter.steps += 1
      if (!isKilled(counter.steps)) return
      dead = true
      die()
      return never
    },
  }
}

type Life = ReturnType<typeof createLife>

function createWorld(script: RetentionScript) {
  const bytes = new TextEncoder().encode('package example\n')
  const artifactHash = computeArtifactHash(bytes)
  const templateId: Hex = `0x${'77'.repeat(32)}`
  let seconds = start
  let payments = 0
  let forged = 0
  const counter: Counter = { steps: 0 }
  const blobs = new Map<string, number>()
  /** What the author announced, the registration's first, and what strangers did. */
  const chain: DaLocator[] = []
  const forgeries: DaLocator[] = []
  const journal = memoryJournal()
  const stores = (script.archives ?? []).map((_, index) => memoryDa({ name: `archive${index}` }))
  const today = (): number => (seconds - start) / day

  let newest: DaLocator | undefined
  const disperse = (): DaLocator => {
    payments += 1
    if (newest && script.replays?.(today())) return newest
    const commitment = encodeEigenDaCommitment(certAt(Math.floor(seconds / 12), payments))
    const locator: DaLocator = { kind: 'eigenDa', commitments: [commitment] }
    blobs.set(encodeLocator(locator), seconds + 14 * day)
    newest = locator
    return locator
  }
  const network = (life: Life | undefined): DaClient => {
    const store = async () => {
      await life?.point()
      const locator = disperse()
      await life?.point()
      if (script.readBackFails?.(today())) throw unread(locator, script.isBare)
      const until = seconds + 14 * day
      return { locator, checks: [], expiresAt: script.expiry ? script.expiry(until) : until }
    }
    return createDaAdapter({
      kind: 'eigenda',
      retention: { kind: 'expires', seconds: 14 * day },
      supports: ({ kind }) => kind === 'eigenDa',
      put: store,
      renew: store,
      async read(locator) {
        const until = blobs.get(encodeLocator(locator))
        if (until === undefined || seconds >= until)
          throw new DaExpiredError({ source: 'eigenda', what: 'the blob', expiredAt: 0 })
        return bytes.slice()
      },
    })
  }
  const isOut = (index: number): boolean => script.archives?.[index]?.isDown?.(today()) ?? false
  const filled = new Set<number>()
  const isDamaged = new Set<number>()
  const archive = (index: number, life: Life | undefined): DaClient => {
    const store = stores[index] as DaClient
    const name = `archive${index}`
    return createDaAdapter({
      kind: 'memory',
      source: name,
      retention: { kind: 'permanent' },
      supports: ({ kind }) => kind === 'keccakStore',
      async put(given, io) {
        await life?.point()
        if (isOut(index)) throw new DaUnavailableError({ source: name, reason: 'out of order' })
        const { locator } = await store.put(given, { signal: io.signal })
        filled.add(index)
        isDamaged.delete(index)
        await life?.point()
        return { locator, checks: [] }
      },
      async read(_locator, io) {
        if (isOut(index)) throw new DaUnavailableError({ source: name, reason: 'out of order' })
        const read = await store.get({ kind: 'keccakStore', name }, io)
        return isDamaged.has(index) ? read.map((byte) => byte ^ 1) : read
      },
      async head(_locator, io) {
        if (isOut(index)) throw new DaUnavailableError({ source: name, reason: 'out of order' })
        return (await store.head?.({ kind: 'keccakStore', name }, io)) ?? { status: 'unknown' }
      },
    })
  }
  /** As the chain's index orders them: the registration's, the author's newest two, then others'. */
  const ordered = (): DaLocator[] => {
    const [registered, ...announced] = chain
    return [registered as DaLocator, ...announced.slice(-2).reverse(), ...forgeries.slice(-13)]
  }
  const announcer = (life: Life): Announcer => ({
    async announceArtifact({ locator }) {
      if (script.announcerFails?.(today()))
        throw new DaUnavailableError({ source: 'chain', reason: 'no transaction lands' })
      await life.point()
      if (!chain.some((known) => encodeLocator(known) === encodeLocator(locator)))
        chain.push(locator)
      await life.point()
      return { transactionHash: `0x${'00'.repeat(32)}` }
    },
  })
  const journalOf = (life: Life): RetentionJournal => ({
    read: () => journal.read(),
    async write(records) {
      await life.point()
      await journal.write(records)
      await life.point()
    },
  })
  const sourceOf = (life: Life | undefined) =>
    createArtifactSource({ clients: [network(life), ...stores.map((_, n) => archive(n, life))] })

  return {
    counter,
    payments: () => payments,
    setTime(at: number): void {
      seconds = at
      for (const [index, { damagedAt }] of (script.archives ?? []).entries())
        if (damagedAt === Math.floor(today()) && (seconds - start) % day === 0) isDamaged.add(index)
    },
    async publish(): Promise<void> {
      chain.push(disperse())
    },
    /** What a stranger announces: a fresh certificate of nothing, one of long ago, and rubbish. */
    forge(kind: number): void {
      forged += 1
      const block = Math.floor(seconds / 12)
      const at = kind % 3 === 0 ? block : kind % 3 === 1 ? 4_294_967_000 : 1
      const commitment = encodeEigenDaCommitment(certAt(at, 1_000_000 + forged))
      forgeries.push({ kind: 'eigenDa', commitments: [commitment] })
    },
    isHeld: (): boolean =>
      [...blobs.values()].some((until) => until > seconds) ||
      stores.some((_, index) => filled.has(index) && !isDamaged.has(index)),
    isReadable: async (hasArchives: boolean): Promise<boolean> => {
      const own = chain.filter((locator) => (blobs.get(encodeLocator(locator)) ?? 0) > seconds)
      const locators = hasArchives ? own : own.slice(-1)
      try {
        await sourceOf(undefined).getArtifact({ hash: artifactHash, namespace: 4, locators })
        return true
      } catch {
        return false
      }
    },
    keeper: (life: Life) =>
      createRetentionKeeper({
        ...script.bounds,
        entries: async () => [
          ...((script.among ?? []) as RetentionEntry[]),
          { artifactHash, templateId, namespace: 4, locators: ordered() },
        ],
        publisher: network(life),
        archives: stores.map((_, index) => archive(index, life)),
        source: sourceOf(life),
        announcer: announcer(life),
        journal: journalOf(life),
        blockTime: async (block) =>
          (script.blockTime ?? ((time) => time))(Number(block) * 12, seconds) as number,
        now: () => (script.clock?.(seconds, today()) ?? seconds) * 1_000,
      }),
  }
}

/** What `eigenDa` says of a blob that was paid for and cannot be read back yet. */
function unread(locator: DaLocator, isBare = false): DaOutcomeUnknownError {
  const commitments = locator.kind === 'eigenDa' ? locator.commitments : []
  const reason = 'the relays are slow'
  const where = isBare ? undefined : locator
  return new DaOutcomeUnknownError({ source: 'eigenda', reason, commitments, locator: where })
}

/** A certificate of a blob in a block; nothing in it verifies. */
export function certAt(referenceBlockNumber: number, blobIndex: number): EigenDaCert {
  const zero = { X: [0n, 0n], Y: [0n, 0n] } as const
  const commitment = {
    commitment: { X: 1n, Y: 2n },
    lengthCommitment: zero,
    lengthProof: zero,
    length: 2,
  }
  return {
    version: 3,
    batchHeader: { batchRoot: `0x${'11'.repeat(32)}`, referenceBlockNumber },
    blobInclusionInfo: {
      blobCertificate: {
        blobHeader: {
          version: 0,
          quorumNumbers: '0x00',
          commitment,
          paymentHeaderHash: `0x${'22'.repeat(32)}`,
        },
        signature: '0x',
        relayKeys: [],
      },
      blobIndex,
      inclusionProof: '0x',
    },
    nonSignerStakesAndSignature: {
      nonSignerQuorumBitmapIndices: [],
      nonSignerPubkeys: [],
      quorumApks: [],
      apkG2: zero,
      sigma: { X: 0n, Y: 0n },
      quorumApkIndices: [],
      totalStakeIndices: [],
      nonSignerStakeIndices: [],
    },
    signedQuorumNumbers: '0x',
  }
}
