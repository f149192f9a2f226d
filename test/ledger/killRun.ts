/**
 * Kills a writing ledger so many times and counts what it had acknowledged: `npm run crash:ledger`.
 *
 * npx tsx test/ledger/killRun.ts [lives, 500]
 */
import { endCrashes, killMany, startCrashes } from './crashSuite.js'

const lives = Number(process.argv[2] ?? 500)
await startCrashes()
try {
  const told = await killMany(lives, ({ life, acked }) => {
    if ((life + 1) % 25 === 0) console.log(`${life + 1} lives, ${acked} acknowledged`)
  })
  const { missing, twice, faults, events } = told.account
  console.log(
    `${lives} kills: ${told.acked} acknowledged, ${missing.length} missing, ${twice} twice, ` +
      `${told.shrunk} times smaller, ${events} events, ${faults.length} faults`,
  )
  if (missing.length + twice + told.shrunk + faults.length > 0) process.exitCode = 1
} finally {
  endCrashes()
}
