/** What a node's refusal of a range of logs says: too large, which range would do, or slow down. */
import { isPolicySdkError } from '../errors/base.js'

/** What is to be done about a failed request for logs. */
export type LogRefusal =
  /** Ask for fewer blocks; `blocks` where the node named how many would do. */
  | { kind: 'range'; blocks: bigint | undefined }
  /** Ask later: fewer blocks would only be more requests. */
  | { kind: 'rate' }
  | { kind: 'other' }

/**
 * Tells what a node meant. Limits on requests are looked for first: their texts and their code
 * -32005 are also those of limits on ranges.
 *
 * @param range - The blocks that were asked for.
 */
export function classifyLogRefusal(
  error: unknown,
  range: { fromBlock: bigint; toBlock: bigint },
): LogRefusal {
  if (!isPolicySdkError(error) || error.code !== 'RPC_FAILED') return { kind: 'other' }
  const said = causesOf(error.cause)
  if (said.some(({ code, status }) => code === 429 || code === -32007 || status === 429)) {
    return { kind: 'rate' }
  }
  if (said.some(({ text }) => rateWords.test(text))) return { kind: 'rate' }
  const refused = said.some(
    ({ code, status, text }) =>
      code === -32005 || code === -32008 || status === 413 || rangeWords.test(text),
  )
  if (!refused) return { kind: 'other' }
  const blocks = said.map(({ text }) => suggested(text, range)).find((one) => one !== undefined)
  return { kind: 'range', blocks }
}

const rateWords =
  /too many requests|rate.?limit|compute units|throttl|quota|(requests?|calls) per (second|minute|day)|\/\s?(sec|second|s)\b|daily request|request (limit|count)/i

const rangeWords =
  /range|limit|too (many|large|big|wide)|exceed|more than|maximum|smaller than|span|narrow|response size|timed? ?out|no backend is currently healthy/i

const suggestion =
  /range[^[\d]*\[?\s*(0x[0-9a-f]{1,16}|\d{1,20})\s*[,-]\s*(0x[0-9a-f]{1,16}|\d{1,20})/gi

// A suggestion counts only where it starts where the request started and asks for less of it.
function suggested(
  text: string,
  { fromBlock, toBlock }: { fromBlock: bigint; toBlock: bigint },
): bigint | undefined {
  for (const [, from, to] of text.matchAll(suggestion)) {
    const [first, last] = [BigInt(from as string), BigInt(to as string)]
    if (first === fromBlock && last >= first && last < toBlock) return last - first + 1n
  }
  return undefined
}

type Said = { code: unknown; status: unknown; text: string }

function causesOf(cause: unknown): Said[] {
  const said: Said[] = []
  let current = cause
  while (current !== undefined && current !== null && said.length < 16) {
    const { code, status, message, details } = Object(current) as Record<string, unknown>
    said.push({ code, status, text: `${String(details ?? '')} ${String(message ?? '')}` })
    current = (current as { cause?: unknown }).cause
  }
  return said
}
