import type { CommandDef } from 'citty'
import { group } from '../../terminal/command.js'

/** `provenance`: from which source plugins were built. */
export const provenance: CommandDef = group(
  'provenance',
  'From which source plugins were built: verify one, or run a role',
  {
    verify: () => import('./verify.js').then((module) => module.verify),
    control: () => import('./control.js').then((module) => module.control),
    worker: () => import('./worker.js').then((module) => module.worker),
    index: () => import('./reading.js').then((module) => module.index),
    serve: () => import('./reading.js').then((module) => module.serve),
  },
)
