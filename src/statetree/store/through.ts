/**
 * Lists that a store can go through without an object for each item.
 *
 * A commit hands thousands of nodes and names to its store. As iterables they are anybody's; a store that copies
 * what it is given at once asks for them in a buffer that is filled again for the next.
 */

const way = Symbol('way')

type Node = readonly [key: Uint8Array, value: Uint8Array]
/** Takes a node. `key` is lent: it is overwritten after the call. */
type TakeNode = (key: Uint8Array, value: Uint8Array) => void
/** Takes a name, bytes [from, to) of a buffer, which are lent. */
type TakeName = (bytes: Uint8Array, from: number, to: number) => void

/** An iterable of items, with a way through them that makes none. */
export function withWay<item, take>(
  iterate: () => Iterator<item>,
  through: (take: take) => void,
): Iterable<item> {
  return Object.assign({ [Symbol.iterator]: iterate }, { [way]: through })
}

/** Calls `take` with each node. */
export function throughNodes(nodes: Iterable<Node>, take: TakeNode): void {
  const through = wayOf<TakeNode>(nodes)
  if (through !== undefined) through(take)
  else for (const [key, value] of nodes) take(key, value)
}

/** Calls `take` with each name. */
export function throughNames(names: Iterable<Uint8Array>, take: TakeName): void {
  const through = wayOf<TakeName>(names)
  if (through !== undefined) through(take)
  else for (const name of names) take(name, 0, name.length)
}

function wayOf<take>(list: object): ((take: take) => void) | undefined {
  return (list as { [way]?: (take: take) => void })[way]
}
