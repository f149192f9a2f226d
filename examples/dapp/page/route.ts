/** Which screen is shown, by the fragment of the address: it works from a link, and without a server. */
import { useSyncExternalStore } from 'react'

export type Route =
  | { screen: 'transfer' }
  | { screen: 'policy' }
  | { screen: 'verify'; taskId: `0x${string}` | undefined }

/** Reads a fragment. What is none is the first screen. */
export function readRoute(fragment: string): Route {
  const [, screen, taskId] = fragment.replace(/^#/, '').split('/')
  if (screen === 'policy') return { screen }
  if (screen !== 'verify') return { screen: 'transfer' }
  const isId = taskId !== undefined && /^0x[\da-f]{64}$/.test(taskId)
  return { screen, taskId: isId ? (taskId as `0x${string}`) : undefined }
}

/** The screen of the moment. */
export function useRoute(): Route {
  const fragment = useSyncExternalStore(
    (changed) => {
      globalThis.addEventListener('hashchange', changed)
      return () => globalThis.removeEventListener('hashchange', changed)
    },
    () => globalThis.location.hash,
  )
  return readRoute(fragment)
}
