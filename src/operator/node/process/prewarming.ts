/**
 * Compiles plugins before a task needs them: those that are always wanted first, then those that a current slot
 * names. A registration alone buys nothing: what nobody's slot names is not looked at.
 */
import type { Hex } from 'viem'
import { namespaces } from '../../../core/artifact.js'
import type { ArtifactSource } from '../../../core/interfaces/artifactSource.js'
import type { PluginRuntime } from '../../../eval/index.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { describeError, type LogHook } from './running.js'

/** Plugins that ran, and when: they are not evicted for others within the hour. */
export type RecentRuns = {
  /** Given to a plugin runtime. */
  readonly onEvent: (event: { type: string; wasmHash: Hex }) => void
  /** Those that ran within the last hour. */
  within(): readonly Hex[]
}

const HOUR = 3_600_000
/** Plugins of which the last run is remembered. */
const REMEMBERED = 4_096

/** Remembers which plugins ran. */
export function recentRuns(now: () => number = Date.now): RecentRuns {
  const ran = new Map<Hex, number>()
  return {
    onEvent({ type, wasmHash }) {
      if (type !== 'plugin.ran') return
      ran.delete(wasmHash)
      ran.set(wasmHash, now())
      for (const oldest of ran.keys()) {
        if (ran.size <= REMEMBERED) break
        ran.delete(oldest)
      }
    },
    within: () => [...ran].flatMap(([hash, at]) => (now() - at < HOUR ? [hash] : [])),
  }
}

/** Plugins compiled ahead at most. */
const MOST = 64
/** Milliseconds for each. */
const PATIENCE = 30_000

/** What is compiled ahead, and with what. */
export type PrewarmParts = {
  prewarm: PluginRuntime['prewarm'] | undefined
  recent: RecentRuns
  artifacts: ArtifactSource
  /** Plugins that stay compiled, whatever else comes. */
  always: () => readonly Hex[]
  /** Plugins that a current slot names, the newest slots first. */
  current: () => readonly Hex[]
  onFailure: (error?: unknown) => void
  log: LogHook
}

/** Runs one round at a time. What is asked for meanwhile is one more round after it. */
export function createPrewarmer(parts: PrewarmParts): {
  start(): void
  close(): Promise<void>
} {
  const closing = new AbortController()
  let running: Promise<void> | undefined
  let again = false
  const start = (): void => {
    if (parts.prewarm === undefined || closing.signal.aborted) return
    again = true
    running ??= rounds().finally(() => {
      running = undefined
    })
  }
  const rounds = async (): Promise<void> => {
    while (again && !closing.signal.aborted) {
      again = false
      try {
        await round(parts, closing.signal)
      } catch (error) {
        parts.onFailure(error)
        parts.log({ level: 'debug', event: 'prewarm.failed', ...describeError(error) })
      }
    }
  }
  return {
    start,
    close: async () => {
      closing.abort()
      await running
    },
  }
}

async function round(parts: PrewarmParts, signal: AbortSignal): Promise<void> {
  const { prewarm, artifacts, recent, log } = parts
  const always = new Set(parts.always())
  const others = parts.current().filter((wasmHash) => !always.has(wasmHash))
  const references = (hashes: Iterable<Hex>) =>
    [...hashes].slice(0, MOST).map((wasmHash) => ({
      wasmHash,
      getBytes: (io: IoOptions) =>
        artifacts.getArtifact({ hash: wasmHash, namespace: namespaces.wasm }, io),
    }))
  const options = { signal, timeout: PATIENCE, sparing: recent.within() }
  const made = [
    ...((await prewarm?.(references(always), { ...options, keep: true })) ?? []),
    ...((await prewarm?.(references(others), options)) ?? []),
  ]
  for (const { wasmHash, result, error } of made) {
    if (result === 'success' || signal.aborted) continue
    parts.onFailure(error)
    log({ level: 'debug', event: 'prewarm.failed', wasmHash, ...describeError(error) })
  }
}
