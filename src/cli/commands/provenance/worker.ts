/** The role that builds. */
import type { CommandDef } from 'citty'
import {
  createBuildWorker,
  httpWorkerControl,
  type WorkerEvent,
} from '../../../provenance/index.js'
import { openSandbox, sandboxedBuilder } from '../../../provenance/node/index.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import { openToolchains, toolchainArgs } from '../../toolchains/open.js'
import { tell } from './server.js'
import { sourceArgs } from './sources.js'

/** `provenance worker`. */
export const worker: CommandDef = command({
  name: 'worker',
  serves: true,
  example: 'newton-policy provenance worker --control https://control.example',
  description:
    'Build what a control plane asks for, isolated, until Ctrl-C; token in NEWTON_WORKER_TOKEN',
  args: {
    control: { type: 'string', description: 'URL of the control plane', required: true },
    mirror: {
      type: 'string',
      description: 'Place that has archives as <sha256>.tar and crates as <sha256>.crate',
      valueHint: 'https://…',
    },
    once: { type: 'boolean', description: 'End where there is nothing to build', default: false },
    'unsafe-no-isolation': {
      type: 'boolean',
      description: 'Build where nothing keeps builds from this machine',
      default: false,
    },
    ...toolchainArgs,
    ...sourceArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const token = terminal.env['NEWTON_WORKER_TOKEN']
    if (!token) throw new UsageError('There is no token: set NEWTON_WORKER_TOKEN.')
    // Before half a gigabyte is hashed: a wrong address is said at once.
    const control = httpWorkerControl({ url: args.control, token })
    const unsafeNoIsolation = args['unsafe-no-isolation']
    const sandbox = await openSandbox({ unsafeNoIsolation })
    if (sandbox.isolation === 'none') {
      terminal.stderr('warning: builds are not isolated; what they give is worth little\n')
    }
    const allowPrivate = args['allow-private']
    const mirrors = args.mirror === undefined ? [] : [args.mirror]
    const { toolchains, missing, close } = await openToolchains({
      ...{ rust: args.rust, mirrors, allowPrivate },
    })
    try {
      for (const { image } of toolchains) terminal.stderr(`builds in ${image}\n`)
      for (const reason of missing) terminal.stderr(`warning: ${reason}\n`)
      if (toolchains.length === 0) throw new UsageError('There is nothing to build with.')
      let built = 0
      const running = createBuildWorker({
        control,
        builder: sandboxedBuilder({
          ...{ sandbox, toolchains, allowPrivate, mirrors },
        }),
        onEvent: (event: WorkerEvent) => {
          if (event.type === 'worker.finished') built += 1
          tell(terminal, event)
        },
      })
      if (args.once) while (await running.runOnce({ signal }));
      else await running.run({ signal })
      return { data: { built }, text: `${built} built` }
    } finally {
      await close()
    }
  },
})
