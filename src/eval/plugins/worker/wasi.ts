/**
 * The part of WASI 0.2 that a plugin may import, without any authority.
 *
 * Wall clock: the reference block's timestamp. Monotonic clock: 0. Random bytes: derived from the
 * task. Standard input: closed. Standard output and error: captured up to a limit. No files, no
 * environment, no arguments. Source: the WIT files of WASI 0.2.
 */

import { createWasiResources } from './wasiResources.js'

/** What a run gives its WASI. */
export type WasiParameters = {
  wallClockSeconds: bigint
  random: (length: number) => Uint8Array
  /** Receives what the guest prints. */
  write: (bytes: Uint8Array) => void
  /** Ends the run: the returned value is thrown through the guest. */
  abort: (message: string) => unknown
}

type Functions = Record<string, unknown>

/** Host side of every allowed wasi interface, by its name without version. */
export function createWasi(parameters: WasiParameters): Record<string, Functions> {
  const { wallClockSeconds, random, write, abort } = parameters

  const { WasiError, Pollable, InputStream, OutputStream, Descriptor, DirectoryEntryStream } =
    createWasiResources(write)
  class TerminalInput {}
  class TerminalOutput {}

  const randomU64 = (): bigint => {
    const bytes = random(8)
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  }
  const length = (requested: bigint): number =>
    Number(requested > 0xffffffffn ? 0xffffffffn : requested)
  const now = { seconds: wallClockSeconds, nanoseconds: 0 }

  return {
    'wasi:cli/environment': {
      getEnvironment: () => [],
      getArguments: () => [],
      initialCwd: () => undefined,
    },
    'wasi:cli/exit': {
      exit: () => {
        throw abort('it called exit')
      },
      exitWithCode: () => {
        throw abort('it called exit')
      },
    },
    'wasi:cli/stdin': { getStdin: () => new InputStream() },
    'wasi:cli/stdout': { getStdout: () => new OutputStream() },
    'wasi:cli/stderr': { getStderr: () => new OutputStream() },
    'wasi:cli/terminal-input': { TerminalInput },
    'wasi:cli/terminal-output': { TerminalOutput },
    'wasi:cli/terminal-stdin': { getTerminalStdin: () => undefined },
    'wasi:cli/terminal-stdout': { getTerminalStdout: () => undefined },
    'wasi:cli/terminal-stderr': { getTerminalStderr: () => undefined },
    'wasi:clocks/monotonic-clock': {
      now: () => 0n,
      resolution: () => 1n,
      subscribeInstant: () => new Pollable(),
      subscribeDuration: () => new Pollable(),
    },
    'wasi:clocks/wall-clock': {
      now: () => now,
      resolution: () => ({ seconds: 1n, nanoseconds: 0 }),
    },
    'wasi:filesystem/preopens': { getDirectories: () => [] },
    'wasi:filesystem/types': {
      Descriptor,
      DirectoryEntryStream,
      filesystemErrorCode: () => undefined,
    },
    'wasi:io/error': { Error: WasiError },
    'wasi:io/poll': {
      Pollable,
      poll: (list: readonly unknown[]) => Uint32Array.from(list, (_, index) => index),
    },
    'wasi:io/streams': { InputStream, OutputStream },
    'wasi:random/random': {
      getRandomBytes: (requested: bigint) => random(length(requested)),
      getRandomU64: randomU64,
    },
    'wasi:random/insecure': {
      getInsecureRandomBytes: (requested: bigint) => random(length(requested)),
      getInsecureRandomU64: randomU64,
    },
    'wasi:random/insecure-seed': { insecureSeed: () => [randomU64(), randomU64()] },
  }
}
