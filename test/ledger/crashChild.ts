/**
 * Writes to a ledger until something ends it. Each line that it prints is a promise that was given.
 *
 * Arguments: `<directory> <mode>`. `few` appends some events and closes; `loop` appends until it is
 * killed; `fill` appends until the disk is full, makes room, and goes on; `hold` opens and waits.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Ledger, prepareEvent, type SubmitResult } from '../../src/ledger/index.js'
import { openLedger } from '../../src/ledger/node/index.js'
import {
  addKey,
  anomaly,
  checkpointSeed,
  genesisDraft,
  ledgerName,
  people,
  schemas,
  submit,
} from './ledgerWorld.js'

const [directory = '', mode = ''] = process.argv.slice(2)
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error)

const open = async (): Promise<Ledger> => {
  const ledger = await openLedger({
    ...{ directory, ledger: ledgerName, checkpointSeed, schemas, lookup: 'memory' },
  })
  if (ledger.head() !== undefined) return ledger
  await submit(ledger, genesisDraft())
  await addKey(ledger, { key: people.admin, role: 'admin', by: people.genesis })
  await addKey(ledger, { key: people.operator, role: 'operator', by: people.admin })
  return ledger
}

async function append(ledger: Ledger, at: number, detail = ''): Promise<void> {
  const { by, ...draft } = anomaly(at)
  const { payload } = prepareEvent({
    ...{ ledger: ledgerName, publicKey: by.publicKey },
    ...{ ...draft, fields: { ...draft.fields, detail } },
  })
  const ack = at % 2 === 0 ? 'durable' : 'published'
  const result: SubmitResult = await ledger.record({ payload }, { signer: by, ack })
  if (result.status !== 201) throw new Error(JSON.stringify(result))
  say(`acked ${payload.ets.event_id}`)
}

async function main(): Promise<void> {
  const ledger = await open()
  say('ready')
  if (mode === 'hold') {
    await new Promise((done) => process.stdin.on('end', done).resume())
    await ledger.close()
  }
  if (mode === 'few') {
    for (let at = 0; at < 6; at += 1) await append(ledger, at)
    await ledger.close()
  }
  if (mode === 'loop') {
    for (let at = 0; ; at += 5) {
      await Promise.all([0, 1, 2, 3, 4].map((part) => append(ledger, at + part)))
    }
  }
  if (mode === 'fill') {
    const ballast = join(directory, '..', 'ballast')
    writeFileSync(ballast, new Uint8Array(400_000))
    try {
      for (let at = 0; at < 10_000; at += 1) await append(ledger, at, 'x'.repeat(3_900))
    } catch (error) {
      say(`stopped ${codeOf(error)}`)
    }
    await ledger.close().catch(() => undefined)
    rmSync(ballast)
    const again = await open()
    say('reopened')
    await append(again, 1)
    await again.close()
  }
  say('closed')
}

main().catch((error: unknown) => {
  say(`stopped ${codeOf(error)}`)
  process.exit(3)
})
