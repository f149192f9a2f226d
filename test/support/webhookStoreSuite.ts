/** What every store of webhooks says of what is none, whatever keeps it. */
import { expect, test } from 'vitest'
import { type GatewayStore, type StoredWebhook, webhookBounds } from '../../src/operator/index.js'
import { word } from './attestationWorld.js'
import { newTask } from './gatewayStoreSuite.js'

const webhook: StoredWebhook = {
  ...{ url: 'https://shop.example/hook', secret: 'sixteen-or-more!', timeout: 10_000, retries: 3 },
  ...{ failures: ['NO_QUORUM'], keyHash: word(8), registeredAt: 1_900_000_000_123 },
}

/** Values of a member that are none. */
const notText = [undefined, null, 7, {}, ['a'], '', 'a\0b', 'a\ud800', '\udc00a']
const notCount = [undefined, null, '3', '3.5', -1, 1.5, Number.NaN, Infinity, 2 ** 31, 2 ** 60]
const noWebhook: Readonly<Record<keyof Required<StoredWebhook>, readonly unknown[]>> = {
  url: [...notText, 'shop.example', '//shop.example', `https://a.example/${'x'.repeat(2_048)}`],
  secret: [...notText, 'short', 'x'.repeat(257), `${'x'.repeat(20)} `, `${'x'.repeat(20)}é`],
  timeout: [...notCount, 0],
  retries: notCount,
  failures: [
    ...[null, 'NO_QUORUM', { 0: 'NO_QUORUM', length: 1 }, [7], [''], ['no'], ['","']],
    ...[['A"B'], ['A\0'], [null], Array(1), Array(65).fill('NO_QUORUM'), ['X'.repeat(65)]],
  ],
  keyHash: [
    null,
    '',
    7,
    '0x',
    word(8).slice(2),
    `${word(8)}00`,
    `0x${'A'.repeat(64)}`,
    `${word(8)}\0`,
  ],
  registeredAt: [undefined, null, '1', -1, 1.5, Number.NaN, Infinity, 2 ** 53],
  doubtedAt: [null, '1', -1, 1.5, Number.NaN, Infinity, 2 ** 53],
}
const noName = [...notText, 'x'.repeat(257)]
const names = [
  ...['__proto__', 'constructor', 'toString', "o'brien", 'a"b', 'a\\b', '%', 'null', ' ', '\n'],
  ...['😀', 'e\u0301', '\u00e9', 'x'.repeat(256), '\uffff'.repeat(256), '{a,b}', '$1', 'A', 'a'],
]

/**
 * Defines the tests. The store is of whoever is named here alone.
 *
 * @param bounds - Whether what stores keep at most is filled: minutes, where a store is slow.
 */
export function webhookStoreSuite(open: () => GatewayStore, { bounds = true } = {}): void {
  const refused = async (asked: Promise<unknown>, field: string, what: unknown): Promise<void> => {
    await expect(asked, `${field} ${JSON.stringify(what)}`).rejects.toMatchObject({
      ...{ code: 'INVALID_INPUT', field: expect.stringMatching(`^${field}`) },
    })
  }

  test('error: what is no webhook is refused by member, and changes nothing', async () => {
    const { webhooks } = open()
    await webhooks.set('kept', webhook)
    for (const [member, values] of Object.entries(noWebhook)) {
      for (const value of values) {
        const given = { ...webhook, [member]: value } as StoredWebhook
        await refused(webhooks.set('kept', given), `webhook.${member}`, value)
        await refused(webhooks.set('never', given), `webhook.${member}`, value)
      }
    }
    const more = { ...webhook, retry: 3 }
    await refused(webhooks.set('kept', more), 'webhook.retry', more)
    for (const given of [undefined, null, 7, 'https://shop.example', []]) {
      await refused(webhooks.set('kept', given as never), 'webhook', given)
    }
    expect(await webhooks.find('kept')).toEqual(webhook)
    expect(await webhooks.find('never')).toBeUndefined()
    expect(await webhooks.remove('kept')).toBe(true)
  })

  test('behavior: values at their bounds come back as they were given', async () => {
    const { webhooks } = open()
    const most = 2 ** 31 - 1
    for (const change of [
      { url: `https://a.example/${'x'.repeat(2_048 - 18)}`, secret: '~'.repeat(256) },
      { timeout: 1, retries: 0, registeredAt: 0 },
      { timeout: most, retries: most, registeredAt: Number.MAX_SAFE_INTEGER },
      { failures: [] },
      { doubtedAt: 0 },
      { doubtedAt: Number.MAX_SAFE_INTEGER },
      { failures: undefined, keyHash: undefined },
      { failures: Array.from({ length: 64 }, (_, nth) => `FAULT_${nth}`) },
    ]) {
      await webhooks.set('bounds', { ...webhook, ...change })
      expect(await webhooks.find('bounds')).toEqual({ ...webhook, ...change })
    }
    await webhooks.remove('bounds')
  })

  test('behavior: what is given and what is got are copies', async () => {
    const { webhooks, ...store } = open()
    const own = { ...webhook, failures: ['NO_QUORUM'] }
    await webhooks.set('copies', own)
    own.url = 'https://other.example/'
    own.failures.push('TIMED_OUT')
    const got = (await webhooks.find('copies')) as typeof own
    expect(got).toEqual(webhook)
    got.secret = 'another-secret-of-it'
    got.failures.length = 0
    expect(await webhooks.find('copies')).toEqual(webhook)
    const task = newTask({ caller: 'copies' })
    await store.insert(task, { owner: 'me', lease: 60_000 })
    const failure = { fault: 'NO_QUORUM', detail: 'none' } as const
    await store.advance({ ...task, fence: 1 }, { state: 'failed', failure })
    const [claimed] = await webhooks.claim({ lease: 60_000, limit: 1, busy: [] })
    Object.assign(claimed?.webhook as object, { url: 'https://other.example/' })
    expect(await webhooks.find('copies')).toEqual(webhook)
    await webhooks.remove('copies')
  })

  test('error: who is no caller is refused, and each caller is itself alone', async () => {
    const { webhooks } = open()
    for (const name of noName as string[]) {
      await refused(webhooks.set(name, webhook), 'caller', name)
      await refused(webhooks.find(name), 'caller', name)
      await refused(webhooks.remove(name), 'caller', name)
      await refused(webhooks.remove(name, { keyHash: undefined }), 'caller', name)
    }
    const own = (nth: number): StoredWebhook => ({ ...webhook, url: `https://a.example/${nth}` })
    for (const [nth, name] of names.entries()) {
      expect(await webhooks.find(name), name).toBeUndefined()
      expect(await webhooks.set(name, own(nth)), name).toBe(false)
    }
    for (const [nth, name] of names.entries()) expect(await webhooks.find(name)).toEqual(own(nth))
    for (const only of [null, 7, { keyHash: 'none' }, { keyHash: null }, { key: word(8) }]) {
      await refused(webhooks.remove('a', only as never), 'only', only)
    }
    for (const name of names) expect(await webhooks.remove(name), name).toBe(true)
    for (const name of names) expect(await webhooks.remove(name), name).toBe(false)
  })

  test('behavior: of registrations at once one is the first, and the last stays whole', async () => {
    const { webhooks } = open()
    const given = Array.from({ length: 8 }, (_, nth) => ({
      ...webhook,
      ...{ url: `https://a.example/${nth}`, secret: `${nth}`.repeat(16), retries: nth },
      keyHash: word(nth),
    }))
    const replaced = await Promise.all(given.map((one) => webhooks.set('twice', one)))
    expect(replaced.filter((one) => !one)).toHaveLength(1)
    const kept = await webhooks.find('twice')
    expect(given).toContainEqual(kept)
    for (const one of given) expect(await webhooks.set('twice', one)).toBe(true)
    expect(await webhooks.find('twice')).toEqual(given.at(-1))
    const gone = await Promise.all([1, 2, 3].map(() => webhooks.remove('twice')))
    expect(gone.filter((one) => one)).toHaveLength(1)
  })

  test('error: claims and ends that are none are refused, and take nothing', async () => {
    const { webhooks, ...store } = open()
    await webhooks.set('claims', { ...webhook, failures: undefined })
    const task = newTask({ caller: 'claims' })
    await store.insert(task, { owner: 'me', lease: 60_000 })
    await store.advance({ ...task, fence: 1 }, { state: 'failed' })
    const parts = { lease: 60_000, limit: 10, busy: [] as readonly string[] }
    for (const [member, values] of Object.entries({
      lease: [undefined, null, '1', -1, Number.NaN, Infinity, 2 ** 31],
      limit: notCount,
      busy: [undefined, null, 'claims', {}, new Set(['claims'])],
    })) {
      for (const value of values) {
        await refused(webhooks.claim({ ...parts, [member]: value }), member, value)
      }
    }
    await refused(webhooks.claim({ ...parts, callers: [] } as never), 'parameters.callers', 'more')
    expect(await webhooks.claim({ ...parts, limit: 0 })).toEqual([])
    // More names than a statement has places for values; what is no name is nobody.
    const many = Array.from({ length: 70_000 }, (_, nth) => `other-${nth}`)
    expect(await webhooks.claim({ ...parts, busy: [...many, 'claims'] })).toEqual([])
    const junk = [...many, ...(noName as string[]), 'claim', 'claims ', 'CLAIMS']
    const [claimed, ...rest] = await webhooks.claim({ ...parts, busy: junk })
    expect(rest).toEqual([])
    if (claimed === undefined) throw new Error('nothing was claimed')
    expect(claimed).toMatchObject({ taskId: task.taskId, caller: 'claims', attempt: 1 })
    for (const [member, values] of Object.entries({
      taskId: noName,
      state: [undefined, 'gone', 7, '__proto__'],
      attempt: [...notCount, 0],
    })) {
      for (const value of values) {
        const given = { ...claimed, [member]: value } as typeof claimed
        await refused(webhooks.end(given, 'failed'), `delivery.${member}`, value)
      }
    }
    for (const outcome of [
      ...[undefined, null, 'gone', 7, {}, { after: -1 }, { after: Number.NaN }],
      ...[{ after: Infinity }, { after: '1' }, { after: 1, until: 2 }],
    ]) {
      await refused(webhooks.end(claimed, outcome as never), 'outcome', outcome)
    }
    // Of no task, of another state, of another attempt: each changes nothing.
    for (const change of [{ taskId: word(3) }, { state: 'final' }, { attempt: 2 }] as const) {
      await webhooks.end({ ...claimed, ...change }, 'failed')
    }
    expect(await webhooks.count()).toMatchObject({ waiting: 1 })
    await webhooks.end(claimed, 'delivered')
    expect(await webhooks.count()).toMatchObject({ waiting: 0 })
    await webhooks.remove('claims')
  })

  test('behavior: the first doubt of a key stays, until one knows it or another is registered', async () => {
    const { webhooks } = open()
    const { keyHash } = webhook
    const doubt = (at: number | undefined, key = keyHash) =>
      webhooks.doubt('doubts', { keyHash: key, at })
    expect(await doubt(1)).toBeUndefined()
    await webhooks.set('doubts', webhook)
    expect(await doubt(5, word(9))).toBeUndefined()
    expect(await doubt(7)).toBe(7)
    expect(await doubt(9)).toBe(7)
    expect(await webhooks.find('doubts')).toEqual({ ...webhook, doubtedAt: 7 })
    expect(await doubt(undefined)).toBeUndefined()
    expect(await webhooks.find('doubts')).toEqual(webhook)
    expect(await doubt(11)).toBe(11)
    await webhooks.set('doubts', webhook)
    expect(await webhooks.find('doubts')).toEqual(webhook)
    for (const at of [null, '1', -1, 1.5, Number.NaN]) {
      await refused(webhooks.doubt('doubts', { keyHash, at: at as never }), 'parameters.at', at)
    }
    await refused(webhooks.doubt('', { keyHash, at: 1 }), 'caller', '')
    await webhooks.remove('doubts')
  })

  test.runIf(bounds)(
    'behavior: what waits for one caller is bounded, the rest has failed; claims without an attempt are counted',
    async () => {
      const { webhooks, ...store } = open()
      await webhooks.set('many', { ...webhook, failures: undefined })
      const before = await webhooks.count()
      const most = webhookBounds.waitingPerCaller
      for (let nth = 0; nth < most + 3; nth++) {
        const task = newTask({ caller: 'many' })
        await store.insert(task, { owner: 'me', lease: 60_000 })
        await store.advance({ ...task, fence: 1 }, { state: 'failed' })
      }
      const after = await webhooks.count()
      expect(after.waiting - before.waiting).toBe(most)
      expect(after.failed - before.failed).toBe(3)
      // Who is another one's is told all the same.
      await webhooks.set('other', { ...webhook, failures: undefined })
      const task = newTask({ caller: 'other' })
      await store.insert(task, { owner: 'me', lease: 60_000 })
      await store.advance({ ...task, fence: 1 }, { state: 'failed' })
      const claim = () => webhooks.claim({ lease: 60_000, limit: 9, busy: ['many'] })
      const [first, ...more] = await claim()
      expect(more).toEqual([])
      if (first === undefined) throw new Error('nothing was claimed')
      expect(first).toMatchObject({ caller: 'other', taskId: task.taskId, attempt: 1, untried: 0 })
      await refused(webhooks.end(first, { after: 0, untried: 1 as never }), 'outcome', 1)
      await webhooks.end(first, { after: 0, untried: true })
      await expect.poll(claim).toMatchObject([{ taskId: task.taskId, attempt: 2, untried: 1 }])
      for (const name of ['many', 'other']) await webhooks.remove(name)
    },
  )

  test.runIf(bounds)(
    'error: a caller more than may have webhooks is told so, and replaces nobody',
    async () => {
      const { webhooks } = open()
      const names = Array.from({ length: webhookBounds.webhooks }, (_, nth) => `bound-${nth}`)
      const [last, ...rest] = names
      for (const name of rest) await webhooks.set(name, webhook)
      expect(await webhooks.set(last as string, webhook)).toBe(false)
      expect(await webhooks.set('one-more', webhook)).toBe('full')
      expect(await webhooks.find('one-more')).toBeUndefined()
      expect(await webhooks.set(last as string, webhook)).toBe(true)
      for (const name of names) await webhooks.remove(name)
    },
  )

  test('behavior: a failure is told where its own name is listed, not where a part of it is', async () => {
    const { webhooks, ...store } = open()
    for (const [failures, told] of [
      [['NO_QUORUM_OF', 'A_NO_QUORUM', 'NO'], 0],
      [['QUORUM', 'NO_', 'NO_QUORUM'], 1],
      [[], 0],
      [undefined, 1],
    ] as const) {
      await webhooks.set('faults', { ...webhook, failures })
      const task = newTask({ caller: 'faults' })
      await store.insert(task, { owner: 'me', lease: 60_000 })
      const failure = { fault: 'NO_QUORUM', detail: 'none' } as const
      await store.advance({ ...task, fence: 1 }, { state: 'failed', failure })
      expect(await webhooks.claim({ lease: 60_000, limit: 9, busy: [] })).toHaveLength(told)
      await webhooks.remove('faults')
    }
  })
}
