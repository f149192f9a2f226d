/** Where a task can stand. */

/** States of a task, in their order. `landed` may go back to `landing`. */
export const taskStates = [
  'received',
  'committing',
  'signing',
  'signed',
  'landing',
  'landed',
  'final',
  'superseded',
  'failed',
] as const

/** State of a task. */
export type TaskState = (typeof taskStates)[number]
