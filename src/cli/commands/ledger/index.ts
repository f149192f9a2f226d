import type { CommandDef } from 'citty'
import { group } from '../../terminal/command.js'

const events = () => import('./events.js')
const proofs = () => import('./proofs.js')
const reading = () => import('./reading.js')
const roles = () => import('./roles.js')

/** `ledger`: the evaluation ledger, in a directory or served. */
export const ledger: CommandDef = group('ledger', 'What happened, provable to outsiders', {
  key: () => events().then((module) => module.newKey),
  init: () => events().then((module) => module.init),
  grant: () => events().then((module) => module.grant),
  append: () => events().then((module) => module.append),
  read: () => reading().then((module) => module.read),
  verify: () => proofs().then((module) => module.verify),
  fsck: () => proofs().then((module) => module.check),
  'verify-bundle': () => import('./bundle.js').then((module) => module.verifyBundle),
  proof: () => reading().then((module) => module.proof),
  replay: () => import('./replay.js').then((module) => module.replay),
  anchor: () => import('./anchor.js').then((module) => module.anchor),
  witness: () => roles().then((module) => module.witness),
  serve: () => roles().then((module) => module.serve),
  mcp: () => roles().then((module) => module.mcp),
})
