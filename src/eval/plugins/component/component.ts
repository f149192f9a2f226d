/**
 * Reads the imports and exports of a component from its bytes, and decides whether it may run.
 *
 * Only the outermost level is read: what nested modules and components import is satisfied by the
 * component itself. Source: the binary format of the WebAssembly component model
 * (Binary.md: preamble, section 10 imports, section 11 exports).
 */

import { assertBytes } from '../../../internal/options.js'
import { PluginComponentError, PluginImportError, PluginLimitError } from '../errors.js'
import { type ByteReader, byteReader } from './byteReader.js'

/** An import or export of a component, by its external name. */
export type ComponentExtern = {
  /** Such as `newton:provider/http@0.2.0` or `run`. */
  name: string
  sort: 'module' | 'function' | 'value' | 'type' | 'component' | 'instance'
}

/** What the outermost level of a component imports and exports. */
export type ComponentShape = {
  imports: readonly ComponentExtern[]
  exports: readonly ComponentExtern[]
  /** Names of its custom sections, in order, with where their contents lie. */
  custom: readonly { name: string; start: number; end: number }[]
}

/** What a component that passed the allow-list may do. */
export type PluginWorld = {
  /** The newton:provider version of its imports, `undefined` where it imports none of it. */
  provider: '0.1' | '0.2' | undefined
  http: boolean
  secrets: boolean
  tlsn: boolean
  /** wasi interfaces it imports, with their versions. */
  wasi: readonly string[]
}

/** Largest component that is looked at: the data-availability layer carries no larger part. */
export const MAX_COMPONENT_BYTES = 64 * 1024 * 1024

const preamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]

const wasiInterfaces: ReadonlySet<string> = new Set([
  'wasi:cli/environment',
  'wasi:cli/exit',
  'wasi:cli/stdin',
  'wasi:cli/stdout',
  'wasi:cli/stderr',
  'wasi:cli/terminal-input',
  'wasi:cli/terminal-output',
  'wasi:cli/terminal-stdin',
  'wasi:cli/terminal-stdout',
  'wasi:cli/terminal-stderr',
  'wasi:clocks/monotonic-clock',
  'wasi:clocks/wall-clock',
  'wasi:filesystem/preopens',
  'wasi:filesystem/types',
  'wasi:io/error',
  'wasi:io/poll',
  'wasi:io/streams',
  'wasi:random/random',
  'wasi:random/insecure',
  'wasi:random/insecure-seed',
])

const providerInterfaces: Readonly<Record<string, ReadonlySet<string>>> = {
  '0.1': new Set(['newton:provider/http']),
  '0.2': new Set(['newton:provider/http', 'newton:provider/secrets', 'newton:provider/tlsn']),
}

/**
 * Reads the outermost imports and exports of a component.
 *
 * @throws {PluginComponentError} for anything but a well-formed component.
 */
export function readComponentShape(bytes: Uint8Array): ComponentShape {
  assertBytes('component', bytes)
  if (preamble.some((byte, index) => bytes[index] !== byte)) {
    throw new PluginComponentError(
      isCoreModule(bytes)
        ? 'it is a core module, not a component'
        : 'it is not a WebAssembly component',
    )
  }
  const imports: ComponentExtern[] = []
  const exports: ComponentExtern[] = []
  const custom: { name: string; start: number; end: number }[] = []
  const reader = byteReader(bytes, preamble.length)
  while (!reader.done()) {
    const id = reader.byte()
    const size = reader.u32()
    const end = reader.position() + size
    if (end > bytes.length) throw new PluginComponentError('a section runs past the end')
    if (id === 10) readExterns(reader, end, imports, false)
    else if (id === 11) readExterns(reader, end, exports, true)
    else if (id === 0) custom.push({ name: reader.name(end), start: reader.position(), end })
    reader.seek(end)
  }
  return { imports, exports, custom }
}

/**
 * Decides whether a component may run as a plugin.
 *
 * @throws {PluginComponentError} for malformed bytes or a component without `run`.
 * @throws {PluginImportError} naming the first import that is not on the allow-list.
 * @throws {PluginLimitError} for a component over 64 MiB.
 * @example
 * ```ts
 * import { checkPluginWorld } from '@newton/policy-sdk/eval'
 *
 * declare const component: Uint8Array
 * checkPluginWorld(component).secrets // whether it reads secrets
 * ```
 */
export function checkPluginWorld(bytes: Uint8Array): PluginWorld {
  assertBytes('component', bytes)
  if (bytes.length > MAX_COMPONENT_BYTES) {
    throw new PluginLimitError(
      'componentBytes',
      `the component has ${bytes.length} bytes, more than ${MAX_COMPONENT_BYTES}`,
    )
  }
  const { imports, exports } = readComponentShape(bytes)
  const versions = new Set<'0.1' | '0.2'>()
  const wasi: string[] = []
  const provider = new Set<string>()
  for (const { name, sort } of imports) {
    // Type imports carry no capability; they only name types of imported instances.
    if (sort === 'type') continue
    if (sort !== 'instance') throw new PluginImportError(name, `a ${sort} cannot be imported`)
    const { path, version } = splitName(name)
    if (path.startsWith('newton:provider/')) {
      const series = version === '0.1.0' ? '0.1' : version === '0.2.0' ? '0.2' : undefined
      if (series === undefined || !providerInterfaces[series]?.has(path)) {
        throw new PluginImportError(name, 'this interface is not in newton:provider 0.1.0 or 0.2.0')
      }
      versions.add(series)
      provider.add(path)
    } else if (wasiInterfaces.has(path)) {
      if (!/^0\.2\.\d+$/.test(version))
        throw new PluginImportError(name, 'only wasi 0.2 is offered')
      wasi.push(name)
    } else {
      throw new PluginImportError(name, 'it is not on the list of allowed imports')
    }
  }
  if (versions.size > 1) {
    throw new PluginImportError('newton:provider', 'versions 0.1.0 and 0.2.0 cannot be mixed')
  }
  if (!exports.some(({ name, sort }) => name === 'run' && sort === 'function')) {
    throw new PluginComponentError('it does not export the function `run`')
  }
  return {
    provider: [...versions][0],
    http: provider.has('newton:provider/http'),
    secrets: provider.has('newton:provider/secrets'),
    tlsn: provider.has('newton:provider/tlsn'),
    wasi,
  }
}

function isCoreModule(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d && bytes[4] === 1
  )
}

function splitName(name: string): { path: string; version: string } {
  const at = name.lastIndexOf('@')
  return at < 0
    ? { path: name, version: '' }
    : { path: name.slice(0, at), version: name.slice(at + 1) }
}

function readExterns(
  reader: ByteReader,
  end: number,
  into: ComponentExtern[],
  exporting: boolean,
): void {
  const count = reader.u32()
  // Each extern has at least three bytes; a larger count is a lie.
  if (count > (end - reader.position()) / 3 + 1)
    throw new PluginComponentError('a section is malformed')
  for (let i = 0; i < count; i++) {
    const kind = reader.byte()
    if (kind > 2) throw new PluginComponentError('a name of an unknown kind')
    const name = reader.name(end)
    if (kind === 2)
      for (let options = reader.u32(); options > 0; options--) skipNameOption(reader, end)
    const sort = exporting ? readSort(reader) : readDescription(reader)
    if (exporting) {
      reader.u32()
      if (reader.byte() === 1) readDescription(reader)
    }
    if (reader.position() > end) throw new PluginComponentError('a section is malformed')
    into.push({ name, sort })
  }
  if (reader.position() !== end) throw new PluginComponentError('a section has bytes left over')
}

function skipNameOption(reader: ByteReader, end: number): void {
  reader.byte()
  reader.name(end)
}

const sorts: readonly ComponentExtern['sort'][] = [
  'module',
  'function',
  'value',
  'type',
  'component',
  'instance',
]

function readSort(reader: ByteReader): ComponentExtern['sort'] {
  const byte = reader.byte()
  if (byte === 0 && reader.byte() !== 0x11) throw new PluginComponentError('a sort is unknown')
  const sort = sorts[byte]
  if (sort === undefined) throw new PluginComponentError('a sort is unknown')
  return sort
}

function readDescription(reader: ByteReader): ComponentExtern['sort'] {
  const sort = readSort(reader)
  if (sort === 'type') {
    // Type bound: 0x00 equality with a type index, 0x01 a fresh resource.
    if (reader.byte() === 0) reader.u32()
  } else if (sort === 'value') {
    reader.byte()
    reader.u32()
  } else {
    reader.u32()
  }
  return sort
}
