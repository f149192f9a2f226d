import {
  emptyRoot,
  encodeEntryBundle,
  formatCheckpoint,
  leafHash,
  type NoteSigner,
  nodeHash,
  signNote,
  tilePath,
} from '../../src/ledger/index.js'

/** Root by the recursive definition of RFC 6962 section 2.1, to compare with. */
export function definedRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return emptyRoot()
  if (hashes.length === 1) return hashes[0] as Uint8Array
  let half = 1
  while (half * 2 < hashes.length) half *= 2
  return nodeHash(definedRoot(hashes.slice(0, half)), definedRoot(hashes.slice(half)))
}

/** Every file that C2SP tlog-tiles has for a log of these entries, by path. */
export function writeLog(parameters: {
  entries: readonly Uint8Array[]
  signer: NoteSigner
}): Map<string, Uint8Array> {
  const { entries, signer } = parameters
  const files = new Map<string, Uint8Array>()
  const write = <item>(
    level: number | 'entries',
    items: readonly item[],
    encode: (part: item[]) => Uint8Array,
  ): void => {
    for (let at = 0; at < items.length; at += 256) {
      const part = items.slice(at, at + 256)
      files.set(
        tilePath({ level, index: BigInt(at / 256), width: part.length }),
        encode(part as item[]),
      )
    }
  }
  write('entries', entries, encodeEntryBundle)
  const leaves = entries.map(leafHash)
  let hashes = leaves
  for (let level = 0; hashes.length > 0; level += 1) {
    write(level, hashes, (part) => Uint8Array.from(part.flatMap((hash) => [...hash])))
    const full = Math.floor(hashes.length / 256)
    hashes = Array.from({ length: full }, (_, at) =>
      definedRoot(hashes.slice(at * 256, (at + 1) * 256)),
    )
  }
  const text = formatCheckpoint({
    origin: signer.key.name,
    size: BigInt(entries.length),
    root: definedRoot(leaves),
  })
  files.set('checkpoint', new TextEncoder().encode(signNote({ text, signers: [signer] })))
  return files
}
