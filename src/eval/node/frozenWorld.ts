/**
 * Keeps a plugin from reading the world as it was when its heap was snapshotted.
 *
 * A JavaScript plugin is a snapshot of an engine that has loaded the plugin's module. What the module
 * reads of the clock or of chance while it loads is the build's, and stays so for every task. What
 * it reads later comes from the host where the engine was built with the feature, and is a constant
 * of the snapshot where it was not. Both look like an answer and are none, so they throw.
 */
import { PluginBuildError } from './errors.js'

/** What `oxc-parser` says of a module, as far as it is read here. */
export type ParsedModule = {
  errors: readonly { message: string }[]
  module: {
    staticExports: readonly {
      start: number
      end: number
      entries: readonly {
        moduleRequest?: { value: string } | undefined
        exportName: { name?: string | undefined }
        localName: { name?: string | undefined }
      }[]
    }[]
  }
}

/**
 * The plugin's module with a guard before it, and `run` behind a door that tells the guard that the
 * build is over. Stays one module: resolving an import would bring the times of its file into the
 * snapshot. Lines stay where they are, columns of all but the first line too.
 *
 * @throws {PluginBuildError} when the module does not export `run` itself.
 */
export function encloseModule(
  source: string,
  parsed: ParsedModule,
  features: readonly string[],
): { text: string; firstLineShift: number } {
  const failure = parsed.errors[0]
  if (failure !== undefined) throw new PluginBuildError(`SyntaxError: ${failure.message}`)
  let text = source
  let local: string | undefined
  for (const { start, end, entries } of parsed.module.staticExports) {
    const own = entries.filter(({ moduleRequest }) => moduleRequest === undefined)
    const found = own.find(({ exportName }) => exportName.name === 'run')
    if (found === undefined) continue
    local = found.localName.name
    const statement = source.slice(start, end)
    // A list of names goes altogether, a declaration stays without the word before it.
    const blanked = /^export\s*\{/.test(statement)
      ? statement.replace(/[^\n]/g, ' ')
      : statement.replace(/^export/, '      ')
    text = `${text.slice(0, start)}${blanked}${text.slice(end)}`
  }
  if (local === undefined) throw new PluginBuildError('the module does not export `run(input)`')
  // Evaluated in the global scope: names that the module declares do not reach in.
  const guard = `const __enter = (0, eval)(${JSON.stringify(guardSource(features))});`
  const door = `\nfunction __run(input) { __enter(); return ${local}(input) }\nexport { __run as run }\n`
  return { text: `${guard}${text}${door}`, firstLineShift: guard.length }
}

/**
 * Every way from the language to the engine's clock and random bytes. Dates made from a number or a
 * text are left alone. A date's class is reached from any date by its prototype, so that is replaced
 * too.
 */
function guardSource(features: readonly string[]): string {
  return `(() => {
const built = ${JSON.stringify(features)}
let running = false
function host(feature, what) {
  if (!running) throw Error(what + ' would be that of the build: call it inside run, not while the module loads')
  if (!built.includes(feature)) throw Error(what + ' is not in this plugin: build it with the feature ' + feature)
}
const RealDate = Date
const now = RealDate.now
RealDate.now = function () { host('clocks', 'Date.now()'); return now() }
globalThis.Date = new Proxy(RealDate, {
  construct(target, args, made) {
    if (args.length === 0) host('clocks', 'new Date()')
    return Reflect.construct(target, args, made)
  },
  apply(target) { host('clocks', 'Date()'); return target() },
})
RealDate.prototype.constructor = globalThis.Date
const RealFile = globalThis.File
if (RealFile) {
  globalThis.File = new Proxy(RealFile, {
    construct(target, args, made) {
      if (args[2]?.lastModified === undefined) host('clocks', 'the time of a File')
      return Reflect.construct(target, args, made)
    },
  })
  RealFile.prototype.constructor = globalThis.File
}
function guard(prefix, name, feature) {
  for (let holder = globalThis[prefix]; holder; holder = Object.getPrototypeOf(holder)) {
    const property = Object.getOwnPropertyDescriptor(holder, name)
    if (property === undefined) continue
    const what = prefix + '.' + name + (property.get ? '' : '()')
    const watched = (real) => function (...args) { host(feature, what); return Reflect.apply(real, this, args) }
    Object.defineProperty(holder, name, property.get
      ? { ...property, get: watched(property.get) }
      : { ...property, value: watched(property.value) })
    return
  }
}
guard('Math', 'random', 'random')
guard('crypto', 'getRandomValues', 'random')
guard('crypto', 'randomUUID', 'random')
guard('performance', 'now', 'clocks')
guard('performance', 'timeOrigin', 'clocks')
return () => { running = true }
})()`
}
