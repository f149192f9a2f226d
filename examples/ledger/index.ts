/**
 * Operators of a network on this machine evaluate a transfer and log it. A stranger verifies that one
 * evaluation from a file, without asking anybody: a quorum signed it, its policy was committed, it is in the
 * ledger, a witness cosigned the ledger, and a chain keeps the ledger's checkpoint.
 *
 * npm run example:ledger
 */
import { verifyEvaluationBundle } from '@newton/policy-sdk/bundle'
import { createDevnet } from '@newton/policy-sdk/testing/node'
import { makeBundle } from './network.js'

console.log('a chain, four operators, a gateway and a ledger are started, which takes a while')
const devnet = await createDevnet({ replica: false })
const { file, trust } = await makeBundle(devnet).finally(devnet.stop)
console.log(
  `the network is gone; one file of ${file.length} characters is left, and the stranger’s trust\n`,
)

const verdict = verifyEvaluationBundle(file, trust)
for (const [check, result] of Object.entries(verdict.checks)) {
  console.log(`  ${check}: ${result.status}${'reason' in result ? ` (${result.reason})` : ''}`)
}
console.log(
  `${verdict.status}: ${verdict.evaluation?.allowed === true ? 'allowed' : 'not allowed'}`,
)

// One word of the event changed: it is not what its writer signed any more.
const forged = file.replace('operators/1', 'operators/2')
const { status, checks } = verifyEvaluationBundle(forged, trust)
const failed = Object.entries(checks).find(([, check]) => check.status === 'failed')
console.log(`changed: ${status}, by the check \`${failed?.[0]}\``)

// A stranger whose node knows another chain believes no anchor of this one, whatever the file says.
const elsewhere = { ...trust, anchor: trust.anchor && { ...trust.anchor, isTrusted: () => false } }
const { anchor } = verifyEvaluationBundle(file, elsewhere).checks
console.log(`on another chain: the check \`anchor\` ${anchor.status}`)
const isRight = verdict.status === 'verified' && status === 'invalid' && anchor.status === 'failed'
if (!isRight) process.exitCode = 1
