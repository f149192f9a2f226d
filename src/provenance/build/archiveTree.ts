/** The tree that an archive's names make: each name once, in one spelling, and no more of them than counted. */
import { utf8 } from '../../internal/bytes.js'
import { archiveFault } from './archiveEntries.js'

/** Bytes of a path, the top folder's among them. */
const maxPath = 255
/** Names of a path. */
const maxDepth = 32

/** Names that an archive has so far. */
export type ArchiveTree = {
  /**
   * Adds a file or a folder, and the folders that its path goes through.
   *
   * @throws {SourceArchiveError} for a path that is unsafe, that is there, or that is one name too many.
   */
  add(path: string, kind: 'file' | 'folder'): void
}

type Node = {
  kind: 'file' | 'folder'
  /** The one way that it may be written. */
  spelled: string
  /** Has an entry of its own, beside being on the way to others. */
  entered: boolean
  children: Map<string, Node>
}

/**
 * Creates an empty tree.
 *
 * @param most - Files and folders at most. Folders count where a path only goes through them, too: they
 * are made all the same, and a path of a few bytes can name hundreds.
 */
export function createArchiveTree(most: number): ArchiveTree {
  const root: Node = { kind: 'folder', spelled: '', entered: false, children: new Map() }
  let count = 0
  return {
    add: (path, kind) => {
      const names = safeNames(path)
      let at = root
      for (const [depth, name] of names.entries()) {
        const isLast = depth === names.length - 1
        // On some file systems two such names are one file.
        const key = name.toLowerCase().normalize('NFC')
        let next = at.children.get(key)
        if (next === undefined) {
          if (++count > most) {
            throw archiveFault('too_large', `it has over ${most} files and folders`)
          }
          next = {
            ...{ kind: isLast ? kind : 'folder', spelled: name },
            ...{ entered: false, children: new Map() },
          }
          at.children.set(key, next)
        } else assertSame(next, { path, name, kind: isLast ? kind : 'folder', isLast })
        if (isLast) next.entered = true
        at = next
      }
    },
  }
}

/** Whether what is there under a name is what a path says that it is. */
function assertSame(
  there: Node,
  { path, name, kind, isLast }: { path: string; name: string; kind: Node['kind']; isLast: boolean },
): void {
  const shown = JSON.stringify(path)
  if (isLast && there.entered) throw archiveFault('unsafe_path', `${shown} is there twice`)
  if (there.kind === 'file') throw archiveFault('unsafe_path', `${shown} goes through a file`)
  if (kind === 'file') throw archiveFault('unsafe_path', `${shown} is a file and a folder`)
  if (there.spelled !== name) {
    throw archiveFault('unsafe_path', `${shown} has a folder that is there in another spelling`)
  }
}

/** Names of a path that stays where it is put, on every file system. */
export function safeNames(path: string): string[] {
  const names = path.split('/')
  const isSafe =
    path !== '' &&
    utf8(path).length <= maxPath &&
    !/\p{Surrogate}/u.test(path) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    !/[\u0000-\u001f\u007f\\:*?"<>|]/.test(path) &&
    names.every((name) => name !== '' && name !== '.' && name !== '..')
  if (!isSafe) {
    throw archiveFault('unsafe_path', `${JSON.stringify(path.slice(0, 80))} is not a safe path`)
  }
  if (names.length > maxDepth) {
    throw archiveFault('unsafe_path', `a path has over ${maxDepth} names`)
  }
  return names
}
