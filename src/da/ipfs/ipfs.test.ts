import { createCipheriv, createHash } from 'node:crypto'
import { CarWriter } from '@ipld/car/writer'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { concat, fromHex, toHex } from '../../internal/bytes.js'
import { createArtifactSource } from '../artifactSource.js'
import { daConformance } from '../conformance/index.js'
import { createHealthBoard } from '../health.js'
import type { FetchLike } from '../internal/http.js'
import { createArtifactVerifier } from '../verifier.js'
import { cidCheck, type IpfsOptions, ipfs } from './ipfs.js'
import { blockCid, cidLocator, cidText, codecs } from './multihash.js'
import { buildUnixfs, type IpfsBlock, matchProfile } from './unixfs.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** The deterministic content behind the fixtures of IPIP-0499: ChaCha20 keyed by the seed's SHA-256. */
function seeded(length: number, seed: string): Uint8Array {
  const cipher = createCipheriv(
    'chacha20',
    createHash('sha256').update(seed).digest(),
    Buffer.alloc(16),
  )
  return new Uint8Array(cipher.update(Buffer.alloc(length)))
}

type Fault = {
  kind: 'html' | 'other' | 'truncated' | 'redirect' | 'stall' | 'status' | 'extra' | 'dups'
  on?: 'raw' | 'car'
  status?: number
  times?: number
}

/** A gateway over a set of blocks, with faults. */
function fakeGateway(blocks: Map<string, Uint8Array> = new Map()) {
  const faults: (Fault & { left: number })[] = []
  const log: string[] = []
  let isStalled = false
  /** Waits for the caller to leave, where the gateway is stalled. */
  async function turn(signal: AbortSignal | null | undefined): Promise<void> {
    if (!isStalled) return
    await new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
    )
  }
  const key = (cid: CID): string => toHex(cid.multihash.bytes)
  const add = (...added: readonly IpfsBlock[]): void => {
    for (const { cid, bytes } of added) blocks.set(key(cid), bytes)
  }
  async function carOf(root: CID, fault: Fault | undefined): Promise<Uint8Array> {
    const { writer, out } = CarWriter.create([root])
    const chunks: Uint8Array[] = []
    const collected = (async () => {
      for await (const chunk of out) chunks.push(chunk)
    })()
    const visit = async (cid: CID): Promise<void> => {
      const bytes = blocks.get(key(cid))
      if (!bytes || cid.multihash.code === 0) return
      await writer.put({
        cid,
        bytes: fault?.kind === 'other' && cid.code === codecs.raw ? bytes.map((b) => b ^ 1) : bytes,
      })
      if (fault?.kind === 'dups') await writer.put({ cid, bytes })
      if (cid.code === codecs.dagPb)
        for (const { Hash } of dagPb.decode(bytes).Links) await visit(CID.asCID(Hash) as CID)
    }
    if (fault?.kind === 'extra')
      await writer.put({ cid: blockCid(codecs.raw, text('unrelated')), bytes: text('unrelated') })
    await visit(root)
    await writer.close()
    await collected
    const car = concat(...chunks)
    return fault?.kind === 'truncated' ? car.slice(0, (car.length * 2) / 3) : car
  }
  const fetch: FetchLike = async (input, init) => {
    const url = new URL(input)
    log.push(`${init.method ?? 'GET'} ${url.searchParams.get('format')}`)
    init.signal?.throwIfAborted()
    await turn(init.signal)
    const cid = CID.parse(url.pathname.replace('/ipfs/', ''))
    const isCar = url.searchParams.get('format') === 'car'
    const fault = faults.find(({ left, on = 'raw' }) => left > 0 && on === (isCar ? 'car' : 'raw'))
    if (fault) fault.left -= 1
    const type = isCar ? 'application/vnd.ipld.car; version=1' : 'application/vnd.ipld.raw'
    const headers = { 'content-type': type }
    switch (fault?.kind) {
      case 'html':
        return new Response('<!doctype html><title>Not here</title>', {
          status: 200,
          headers: { 'content-type': 'text/html' },
        })
      case 'redirect':
        return new Response(null, {
          status: 301,
          headers: { location: `http://169.254.169.254/${cid}` },
        })
      case 'status':
        return new Response('no', { status: fault.status ?? 500 })
      case 'stall':
        return new Response(
          new ReadableStream({ start: (controller) => controller.enqueue(text('x')) }),
          { headers },
        )
    }
    if (isCar) return new Response((await carOf(cid, fault)) as unknown as BodyInit, { headers })
    const bytes = blocks.get(key(cid))
    if (!bytes) return new Response('not found', { status: 404 })
    const served =
      fault?.kind === 'other'
        ? bytes.map((b) => b ^ 1)
        : fault?.kind === 'truncated'
          ? bytes.slice(0, -1)
          : bytes
    return new Response(init.method === 'HEAD' ? null : (served as unknown as BodyInit), {
      headers,
    })
  }
  return {
    fetch,
    add,
    log,
    blocks,
    turn,
    stall: () => {
      isStalled = true
    },
    fail: (...more: Fault[]) =>
      void faults.push(...more.map((fault) => ({ ...fault, left: fault.times ?? 1 }))),
  }
}

/** An adapter over several gateways, by host name. */
function over(
  gateways: Record<string, ReturnType<typeof fakeGateway>>,
  more: Partial<IpfsOptions> = {},
) {
  return ipfs({
    gateways: Object.keys(gateways).map((host) => `https://${host}`),
    fetch: (input, init) =>
      (gateways[new URL(input).host] as ReturnType<typeof fakeGateway>).fetch(input, init),
    stallTimeout: 20,
    ...more,
  })
}

/** A tree of leaves of a few bytes, with so many children a node at each level. */
function nested(
  bytes: Uint8Array,
  { leafBytes, widths }: { leafBytes: number; widths: readonly number[] },
  add: (...blocks: readonly IpfsBlock[]) => void,
): CID {
  const save = (block: IpfsBlock, fileBytes: number) => {
    add(block)
    return { cid: block.cid, fileBytes }
  }
  let level = Array.from({ length: bytes.length / leafBytes }, (_, index) => {
    const leaf = bytes.slice(index * leafBytes, (index + 1) * leafBytes)
    return save({ cid: blockCid(codecs.raw, leaf), bytes: leaf }, leaf.length)
  })
  for (const width of widths) {
    level = Array.from({ length: level.length / width }, (_, index) => {
      const children = level.slice(index * width, (index + 1) * width)
      const sizes = children.map(({ fileBytes }) => BigInt(fileBytes))
      const node = dagPb.encode(
        dagPb.prepare({
          Data: new UnixFS({ type: 'file', blockSizes: sizes }).marshal(),
          Links: children.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 1 })),
        }),
      )
      const total = Number(sizes.reduce((sum, size) => sum + size, 0n))
      return save({ cid: blockCid(codecs.dagPb, node), bytes: node }, total)
    })
  }
  return (level[0] as { cid: CID }).cid
}

/** Deep equality of megabytes takes seconds; this does not. */
function expectFile(bytes: Uint8Array): void {
  expect(Buffer.compare(bytes, file)).toBe(0)
}

const file = seeded(2_500_000, 'a file of three chunks')
const fileHash = computeArtifactHash(file)
const tree = buildUnixfs(file, 'unixfs-v1-2025')
const locator = cidLocator(tree.root.toString())

describe('named profiles', () => {
  const fixtures: [string, Uint8Array, 'unixfs-v0-2015' | 'unixfs-v1-2025'][] = [
    ['Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD', text('hello world'), 'unixfs-v0-2015'],
    [
      'QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE',
      seeded(262_144, 'chunk-v0-seed'),
      'unixfs-v0-2015',
    ],
    [
      'QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ',
      seeded(262_145, 'chunk-v0-seed'),
      'unixfs-v0-2015',
    ],
    [
      'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e',
      text('hello world'),
      'unixfs-v1-2025',
    ],
    [
      'bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta',
      seeded(1_048_576, 'chunk-v1-seed'),
      'unixfs-v1-2025',
    ],
    [
      'bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64',
      seeded(1_048_577, 'chunk-v1-seed'),
      'unixfs-v1-2025',
    ],
  ]
  test.each(fixtures)('%s', (cid, bytes, profile) => {
    expect(buildUnixfs(bytes, profile).root.toString()).toBe(cid)
    expect(matchProfile(bytes, CID.parse(cid))).toBe(cid.startsWith('bafkrei') ? 'raw' : profile)
    expect(matchProfile(bytes.slice(1), CID.parse(cid))).toBeUndefined()
  })
  test('a full and an overfull row of links', () => {
    const width = 174 * 262_144
    const bytes = seeded(width + 1, 'v0-seed')
    expect(buildUnixfs(bytes.subarray(0, width), 'unixfs-v0-2015').root.toString()).toBe(
      'QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2',
    )
    expect(buildUnixfs(bytes, 'unixfs-v0-2015').root.toString()).toBe(
      'QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW',
    )
  }, 60_000)
  test('a locator keeps the block and becomes version 1', () => {
    const old = cidLocator('Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD')
    expect(CID.parse(cidText(old)).multihash).toEqual(
      CID.parse('Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD').multihash,
    )
    expect(() => cidLocator('not a cid')).toThrow(/expected a CID/)
  })
})

describe('conformance', () => {
  for (const pinned of [true, false]) {
    const behind = new Map<DaClient, ReturnType<typeof fakeGateway>>()
    const create = () => {
      const gateway = fakeGateway()
      const client = over(
        { g: gateway },
        {
          pinned,
          upload: async ({ blocks }, { signal }) => {
            await gateway.turn(signal)
            gateway.add(...blocks)
          },
        },
      )
      behind.set(client, gateway)
      return client
    }
    const suite = daConformance({
      create,
      corrupt: (client) => behind.get(client)?.fail({ kind: 'other', times: 99 }),
      stall: (client) => behind.get(client)?.stall(),
      sizes: [1, 1_000, 1_048_577],
    })
    describe(pinned ? 'pinned' : 'not pinned', () => {
      for (const { name, run } of suite) test(name, run)
    })
  }
  test('without an upload, writing is a matter of configuration', async () => {
    await expect(over({ g: fakeGateway() }).put(text('x'))).rejects.toMatchObject({
      code: 'DA_CONFIG',
    })
  })
})

describe('reads', () => {
  const filled = () => {
    const gateway = fakeGateway()
    gateway.add(...tree.blocks)
    return gateway
  }

  test('a raw block is one request', async () => {
    const gateway = fakeGateway()
    const bytes = text('package example\n')
    const built = buildUnixfs(bytes, 'unixfs-v1-2025')
    gateway.add(...built.blocks)
    expect(
      await over({ g: gateway }).getWithVerification(
        cidLocator(built.root.toString()),
        computeArtifactHash(bytes),
      ),
    ).toEqual(bytes)
    expect(gateway.log).toEqual(['GET raw'])
  })
  test('a block named by blake3, of its full length', async () => {
    const gateway = fakeGateway()
    const bytes = text('abc')
    const digest = fromHex('0x6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85')
    const cid = CID.createV1(codecs.raw, Digest.create(0x1e, digest))
    const client = over({ g: gateway })
    const get = (of: CID): Promise<Uint8Array> => client.get(cidLocator(`${of}`))
    gateway.add({ cid, bytes })
    expect(await get(cid)).toEqual(bytes)
    gateway.add({ cid, bytes: text('abd') })
    await expect(get(cid)).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
    const short = CID.createV1(codecs.raw, Digest.create(0x1e, digest.slice(0, 8)))
    gateway.add({ cid: short, bytes })
    await expect(get(short)).rejects.toMatchObject({ code: 'DA_REQUEST_REJECTED' })
  })
  test('a tree is one CAR', async () => {
    const gateway = filled()
    expectFile(await over({ g: gateway }).getWithVerification(locator, fileHash))
    expect(gateway.log).toEqual(['GET car'])
  })
  test('a tree is walked block by block where there is no CAR', async () => {
    const gateway = filled()
    expectFile(await over({ g: gateway }, { car: false }).getWithVerification(locator, fileHash))
    expect(gateway.log).toEqual(['GET raw', 'GET raw', 'GET raw', 'GET raw'])
  })
  test('version 0 trees with dag-pb leaves read the same', async () => {
    const gateway = fakeGateway()
    const old = buildUnixfs(file, 'unixfs-v0-2015')
    gateway.add(...old.blocks)
    for (const car of [true, false]) {
      expectFile(
        await over({ g: gateway }, { car }).getWithVerification(
          cidLocator(old.root.toString()),
          fileHash,
        ),
      )
    }
  })
  test.each(['extra', 'dups'] as const)('a CAR with %s blocks is fine', async (kind) => {
    const gateway = filled()
    gateway.fail({ kind, on: 'car' })
    expectFile(await over({ g: gateway }).getWithVerification(locator, fileHash))
    expect(gateway.log).toEqual(['GET car'])
  })
  test.each(['html', 'other', 'truncated', 'redirect', 'stall', 'status'] as const)(
    'a CAR that is %s leaves single blocks',
    async (kind) => {
      const gateway = filled()
      gateway.fail({ kind, on: 'car' })
      expectFile(await over({ g: gateway }).getWithVerification(locator, fileHash))
      expect(gateway.log.filter((line) => line === 'GET raw').length).toBeGreaterThan(0)
    },
  )
  test.each([
    ['html', 'DA_INTEGRITY'],
    ['other', 'DA_INTEGRITY'],
    ['truncated', 'DA_INTEGRITY'],
    ['redirect', 'DA_PROTOCOL'],
    ['stall', 'DA_TRANSPORT'],
    ['status', 'DA_UNAVAILABLE'],
  ] as const)(
    'a block that is %s is refused, its gateway named, the next one asked',
    async (kind, code) => {
      const bad = filled()
      bad.fail({ kind, times: 99 })
      await expect(over({ 'bad.example': bad }, { car: false }).get(locator)).rejects.toMatchObject(
        { code, source: 'bad.example' },
      )
      const good = filled()
      const health = createHealthBoard()
      const da = over({ 'bad.example': bad, 'good.example': good }, { car: false, health })
      expectFile(await da.getWithVerification(locator, fileHash))
      expect(health.penalty('bad.example')).toBeGreaterThan(0)
      if (code === 'DA_INTEGRITY') {
        const before = bad.log.length
        expect(health.wrongCopies().map(({ source }) => source)).toContain('bad.example')
        await da.getWithVerification(locator, fileHash)
        expect(bad.log.length).toBe(before)
      }
    },
  )
  test('a block that no gateway has is not found', async () => {
    const gateway = filled()
    gateway.blocks.delete(toHex((tree.blocks[1] as IpfsBlock).cid.multihash.bytes))
    await expect(over({ g: gateway }).getWithVerification(locator, fileHash)).rejects.toMatchObject(
      { code: 'DA_NOT_FOUND' },
    )
  })
  test('a tree of many levels asks for a few blocks at once, on one listener each', async () => {
    // 40 nodes of 40 leaves below eight nodes: what each level wants ahead would add up.
    const bytes = seeded(8 * 40 * 40, 'a deep tree')
    const gateway = fakeGateway()
    const root = nested(bytes, { leafBytes: 1, widths: [40, 40, 8] }, gateway.add)
    let running = 0
    let most = 0
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    try {
      const da = ipfs({
        gateways: ['https://g'],
        car: false,
        maxBlocks: 20_000,
        fetch: async (input, init) => {
          running += 1
          most = Math.max(most, running)
          await new Promise((resolve) => setImmediate(resolve))
          running -= 1
          return gateway.fetch(input, init)
        },
      })
      const read = await da.getWithVerification(
        cidLocator(root.toString()),
        computeArtifactHash(bytes),
      )
      expect(Buffer.compare(read, bytes)).toBe(0)
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('warning', onWarning)
    }
    expect(most).toBeLessThanOrEqual(8)
    expect(warnings.map(({ name }) => name)).toEqual([])
  })
  test('a slow gateway is overtaken', async () => {
    const slow = filled()
    const da = ipfs({
      gateways: ['https://slow.example', 'https://quick.example'],
      hedgeDelay: 5,
      car: false,
      fetch: (input, init) =>
        new URL(input).host === 'slow.example'
          ? new Promise((_, reject) =>
              init.signal?.addEventListener('abort', () =>
                reject(new DOMException('stop', 'AbortError')),
              ),
            )
          : slow.fetch(input, init),
    })
    expectFile(await da.getWithVerification(locator, fileHash))
  })
  test('the right tree of other bytes is caught by the hash', async () => {
    const gateway = filled()
    await expect(
      over({ g: gateway }).getWithVerification(locator, computeArtifactHash(text('other'))),
    ).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
  })
  test('the caller is told which source was bad', async () => {
    const bad = filled()
    bad.fail({ kind: 'html', on: 'car', times: 99 }, { kind: 'html', times: 99 })
    const events: unknown[] = []
    const source = createArtifactSource({
      clients: [over({ 'bad.example': bad })],
      onEvent: (event) => events.push(event),
    })
    const error = await source
      .getArtifact({ hash: fileHash, namespace: 6, locators: [locator] })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'DA_ARTIFACT_UNAVAILABLE',
      message: expect.stringMatching(/bad\.example/),
    })
    expect(events[0]).toMatchObject({ type: 'artifact.wrongCopy', locator })
  })
})

describe('hostile trees', () => {
  const nodeOf = (file: UnixFS, links: readonly CID[]): IpfsBlock => {
    const bytes = dagPb.encode(
      dagPb.prepare({
        Data: file.marshal(),
        Links: links.map((Hash) => ({ Name: '', Tsize: 1, Hash })),
      }),
    )
    return { cid: blockCid(codecs.dagPb, bytes), bytes }
  }
  const read = (root: CID, blocks: readonly IpfsBlock[], more: Partial<IpfsOptions> = {}) => {
    const gateway = fakeGateway()
    gateway.add(...blocks)
    return over({ g: gateway }, { car: false, ...more }).get(cidLocator(root.toString()))
  }
  const leaf: IpfsBlock = {
    cid: blockCid(codecs.raw, text('0123456789')),
    bytes: text('0123456789'),
  }

  test('a small tree that unfolds to a large file is stopped', async () => {
    // The library that makes these nodes writes sizes between 2 and 4 GiB wrong: no level has one.
    const blocks = [leaf]
    let size = 10n
    for (let level = 0; level < 8; level++) {
      const { cid } = blocks[blocks.length - 1] as IpfsBlock
      blocks.push(
        nodeOf(
          new UnixFS({ type: 'file', blockSizes: new Array<bigint>(40).fill(size) }),
          new Array<CID>(40).fill(cid),
        ),
      )
      size *= 40n
    }
    const root = (blocks[blocks.length - 1] as IpfsBlock).cid
    await expect(read(root, blocks)).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
    await expect(read(root, blocks, { maxBlocks: 1e9, maxBytes: 10_000 })).rejects.toMatchObject({
      code: 'DA_BODY_LENGTH',
    })
  })
  test('a chain without end is stopped', async () => {
    const blocks = [leaf]
    for (let level = 0; level < 40; level++) {
      const { cid } = blocks[blocks.length - 1] as IpfsBlock
      blocks.push(nodeOf(new UnixFS({ type: 'file', blockSizes: [10n] }), [cid]))
    }
    await expect(read((blocks[40] as IpfsBlock).cid, blocks)).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
      message: expect.stringMatching(/deeper than 16/),
    })
  })
  test('sizes that are not those of the children are refused', async () => {
    for (const blockSizes of [[9n], [11n], [10n, 1n], []]) {
      const root = nodeOf(new UnixFS({ type: 'file', blockSizes }), [leaf.cid])
      await expect(read(root.cid, [leaf, root])).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
    }
  })
  test('directories, other codecs, other hashes and garbage are refused', async () => {
    const directory = nodeOf(new UnixFS({ type: 'directory' }), [])
    await expect(read(directory.cid, [directory])).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
      message: expect.stringMatching(/directory/),
    })
    const garbage = { cid: blockCid(codecs.dagPb, text('garbage')), bytes: text('garbage') }
    await expect(read(garbage.cid, [garbage])).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
    await expect(read(blockCid(0x71, text('x')), [])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    const murmur = CID.createV1(codecs.raw, Digest.create(0x22, new Uint8Array(8)))
    await expect(read(murmur, [])).rejects.toMatchObject({ code: 'DA_REQUEST_REJECTED' })
    const child = nodeOf(new UnixFS({ type: 'file', blockSizes: [1n] }), [
      blockCid(0x71, text('x')),
    ])
    await expect(
      read(child.cid, [child, { cid: blockCid(0x71, text('x')), bytes: text('x') }]),
    ).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
  })
  test('a block inside its CID needs no gateway', async () => {
    const inline = CID.createV1(codecs.raw, Digest.create(0x00, text('0123456789')))
    const root = nodeOf(new UnixFS({ type: 'file', blockSizes: [10n, 10n] }), [inline, leaf.cid])
    expect(new TextDecoder().decode(await read(root.cid, [root, leaf]))).toBe(
      '01234567890123456789',
    )
  })
})

describe('cidCheck', () => {
  test('adds the multihash to an artifact’s evidence', async () => {
    const verifier = createArtifactVerifier({ checks: [cidCheck()], required: ['multihash'] })
    expect((await verifier.assertArtifact(file, locator, fileHash)).checks).toEqual([
      'keccak256',
      'multihash',
      'multihash.unixfs-v1-2025',
    ])
    const other = cidLocator('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
    expect((await verifier.verifyArtifact(file, other, fileHash)).status).toBe('refused')
  })
})

test('gateways are base URLs', () => {
  for (const bad of [undefined as never, [], ['x'], ['ftp://x'], ['https://u:p@x']])
    expect(() => ipfs({ gateways: bad })).toThrow(/gateways/)
})
