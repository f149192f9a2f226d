/** Descriptors that this process was started with, and that what it starts would have too. */
import { open, readdir, readFile } from 'node:fs/promises'

/** Flag of a descriptor that ends where another program begins: `O_CLOEXEC`. */
const closeOnExec = 0o2000000
/** A process of which more are open is not looked through. */
const highest = 65_536

/**
 * Descriptors above those of a child's own streams that a child would have. Node marks what it was started
 * with as its own only up to the sixteenth, or the first gap above: a lock of a script, sockets of a
 * service manager are left.
 *
 * @param streams - How many streams the child has of its own.
 */
export async function inheritedDescriptors(streams: number): Promise<readonly number[]> {
  const folder = '/proc/self/fdinfo'
  const names = await readdir(folder).catch(() => [])
  const found: number[] = []
  for (const name of names) {
    const descriptor = Number(name)
    if (!Number.isInteger(descriptor) || descriptor < streams) continue
    // What is closed meanwhile was none of these: they are open all the time.
    const text = await readFile(`${folder}/${name}`, 'latin1').catch(() => undefined)
    if (text === undefined) continue
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? '0', 8)
    if ((flags & closeOnExec) === 0) found.push(descriptor)
  }
  return found.sort((a, b) => a - b)
}

/** Places of a child's streams, with nothing where it would have something of this process. */
export type OwnStreams<stream> = {
  stdio: (stream | 'ignore' | number)[]
  close(): Promise<void>
}

/**
 * A child's streams, and the null device at all places where it would have a descriptor of this process:
 * `spawn` has no word for closing one.
 *
 * @returns `undefined` where a descriptor is higher than streams can be given for.
 */
export async function ownStreams<stream>(
  streams: readonly stream[],
): Promise<OwnStreams<stream> | undefined> {
  const inherited = await inheritedDescriptors(streams.length)
  const last = inherited.at(-1)
  if (last === undefined) return { stdio: [...streams], close: async () => undefined }
  if (last > highest) return undefined
  const nothing = await open('/dev/null', 'r')
  const stdio: OwnStreams<stream>['stdio'] = [...streams]
  while (stdio.length <= last) stdio.push('ignore')
  for (const descriptor of inherited) stdio[descriptor] = nothing.fd
  return { stdio, close: () => nothing.close() }
}
