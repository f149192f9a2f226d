/**
 * A stranger verifies one evaluation offline, from a file: a quorum of operators signed it, it is in the
 * ledger, and a witness cosigned the ledger.
 *
 * npm run example:ledger
 */
import { verifyEvaluationBundle } from '@newton/policy-sdk/bundle'
import { makeBundle } from './network.js'

const { file, trust } = await makeBundle()
console.log(
  `one file of ${file.length} characters, and what the stranger knows: keys, an operator table`,
)

const verdict = verifyEvaluationBundle(file, trust)
for (const [check, { status }] of Object.entries(verdict.checks))
  console.log(`  ${check}: ${status}`)
console.log(
  `${verdict.status}: ${verdict.evaluation?.allowed === true ? 'allowed' : 'not allowed'}`,
)

// A single digit of the event changed: the proof does not lead to the signed root any more.
const forged = file.replace('operators/1', 'operators/2')
const { status, checks } = verifyEvaluationBundle(forged, trust)
const failed = Object.entries(checks).find(([, check]) => check.status === 'failed')
console.log(`changed: ${status}, by the check \`${failed?.[0]}\``)
if (verdict.status !== 'verified' || status !== 'invalid') process.exitCode = 1
