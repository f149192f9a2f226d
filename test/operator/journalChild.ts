/**
 * Signs through a journal until it is killed: each line that it prints stands for a signature that
 * left the process.
 *
 * Arguments: `<directory> <seed> [broken]`. With `broken` the check of the journal is left out, as a
 * test of the test.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createBlsKey } from '../../src/core/bn254/index.js'
import { uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { openFileJournal, witnessFile } from '../../src/operator/node/journalFile.js'
import { computeJournalDomain } from '../../src/operator/signing/rules.js'

const [directory, seed, broken] = process.argv.slice(2) as [string, string, string | undefined]
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

// Each life starts later than the one before: a floor that this start has set is of its own time.
const timestamp = BigInt(/\d+/.exec(seed)?.[0] ?? 0) + 1n
const journal = await openFileJournal({
  directory: join(directory, 'journal'),
  witness: witnessFile(join(directory, 'witness.json')),
  domain: computeJournalDomain({
    chainId: 1n,
    policyRegistry: '0x00000000000000000000000000000000000000aa',
    publicKey: createBlsKey(5n).publicKey,
  }),
  head: { block: 0n, timestamp },
  create: !existsSync(join(directory, 'journal', 'journal-00000001')),
  segmentBytes: 4_000,
})
say(`ready ${journal.size()} ${journal.floor?.timestamp === timestamp ? 'floor' : 'trusted'}`)

// Every life wants to sign something else for the same tasks.
for (let task = 0; ; task++) {
  await Promise.all(
    [0, 1].map(async (call) => {
      const digest = keccakHex(utf8(`${seed} ${call} ${task}`))
      const key = keccakHex(uintToBytes(task, 4))
      try {
        await journal.record({
          kind: 'response',
          key,
          digest,
          height: BigInt(task + 1),
          answer: utf8(digest),
        })
        say(`signed ${key} ${digest}`)
      } catch (error) {
        const { code } = error as { code?: string }
        if (code !== 'EQUIVOCATION_REFUSED') throw error
        if (broken === 'broken') say(`signed ${key} ${digest}`)
        else say(`refused ${key}`)
      }
    }),
  )
}
