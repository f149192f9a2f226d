/** Values as people read them. */
import { formatEther, type Hex } from 'viem'

/** The ends of a hash. */
export function short(hash: string): string {
  return hash.length > 14 ? `${hash.slice(0, 8)}…${hash.slice(-4)}` : hash
}

/** An amount with its unit. */
export function ether(wei: bigint): string {
  return `${formatEther(wei)} ETH`
}

/** How long ago something was, in words. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1_000))
  if (seconds < 2) return 'just now'
  if (seconds < 90) return `${seconds} seconds ago`
  return `${Math.round(seconds / 60)} minutes ago`
}

const MOST = 280

/**
 * Text of strangers, for a text node: cut at a length, with control and bidirectional characters shown as
 * what they are, so that nothing pretends to be this page's own words.
 */
export function quoted(text: string): string {
  const plain = [...text]
    .map((character) => (isHidden(character) ? `\\u{${hexOf(character)}}` : character))
    .join('')
  return plain.length > MOST ? `${plain.slice(0, MOST)}…` : plain
}

function isHidden(character: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character)
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16)
}

/** Hex that may be read aloud: its first and last digits. */
export function spoken(hash: Hex | string): string {
  return `${hash.slice(0, 6)} to ${hash.slice(-4)}`
}
