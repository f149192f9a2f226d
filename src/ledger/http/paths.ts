/** Paths of the files that a ledger shows to everybody. */
import { eventDomains } from '../events/event.js'
import { fromDecimal } from '../log/encoding.js'
import { tilePath, tileWidth } from '../log/tiles.js'
import { metaLog } from '../writer/types.js'

const logs: readonly string[] = [...eventDomains, metaLog]

/** A file of a log: its kind, and its path as it is written from the parts that were read. */
export type LogPath = { kind: 'checkpoint' | 'tile'; path: string }

/**
 * Reads a request path to log, level, index and width; `undefined` for every other one. What is answered
 * is made from these parts, so that no path leads anywhere else.
 */
export function parseLogPath(pathname: string): LogPath | undefined {
  const [, log = '', ...rest] = pathname.split('/')
  if (!logs.includes(log)) return undefined
  if (rest.length === 1 && rest[0] === 'checkpoint') {
    return { kind: 'checkpoint', path: `${log}/checkpoint` }
  }
  const match =
    /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(
      rest.join('/'),
    )
  if (match === null) return undefined
  const [, level = '', groups = '', partial] = match
  const digits = groups.replace(/[x/]/g, '').replace(/^0+(?=[0-9])/, '')
  const index = fromDecimal(digits)
  const width = partial === undefined ? tileWidth : Number(partial)
  const number = level === 'entries' ? level : Number(level)
  if (index === undefined || (number !== 'entries' && number > 63)) return undefined
  if (partial !== undefined && width >= tileWidth) return undefined
  const path = tilePath({ level: number, index, width })
  // There is one path of a tile: another spelling of its index is none.
  return path === rest.join('/') ? { kind: 'tile', path: `${log}/${path}` } : undefined
}
