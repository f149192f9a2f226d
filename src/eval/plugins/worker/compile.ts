/**
 * Turns a component into glue code and core modules, inside a compile worker.
 */
import { capAllocations } from '../component/coreModule.js'
import { PluginComponentError, PluginError, PluginLimitError } from '../errors.js'
import type { CompileJob, CompileReply, PortablePlugin } from '../protocol.js'

/** The part of `@bytecodealliance/jco-transpile/component` that is used. */
export type Transpiler = {
  $init: Promise<unknown>
  generate(
    component: Uint8Array,
    options: Record<string, unknown>,
  ): { files: [string, Uint8Array][]; imports: string[]; exports: [string, string][] }
}

/** Compiles one component. Never throws: whatever happens is in the reply. */
export async function compileJob(job: CompileJob, transpiler: Transpiler): Promise<CompileReply> {
  try {
    await transpiler.$init
    const portable = transpile(job, transpiler)
    const modules = await Promise.all(
      portable.modules.map(
        async ([name, bytes]) =>
          [name, await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>)] as const,
      ),
    )
    return {
      id: job.id,
      status: 'ok',
      plugin: { glue: portable.glue, modules },
      portable,
    }
  } catch (error) {
    const limit = error instanceof PluginLimitError ? error.limit : undefined
    return {
      id: job.id,
      status: 'error',
      code: error instanceof PluginError ? error.code : 'PLUGIN_COMPONENT_INVALID',
      message: reasonOf(error),
      limit,
    }
  }
}

function transpile(job: CompileJob, transpiler: Transpiler): PortablePlugin {
  const { files, exports } = transpiler.generate(job.bytes, {
    name: 'plugin',
    instantiation: { tag: 'async' },
    noTypescript: true,
    noNodejsCompat: true,
    tlaCompat: false,
    base64Cutoff: 0,
  })
  if (!exports.some(([name, kind]) => name === 'run' && kind === 'function')) {
    throw new PluginComponentError('it does not export the function `run`')
  }
  const source = files.find(([name]) => name === 'plugin.js')?.[1]
  if (!source) throw new PluginComponentError('the transpiler wrote no glue code')
  const cores = files.filter(([name]) => name.endsWith('.wasm'))
  const capped = capAllocations(
    cores.map(([, bytes]) => bytes),
    job.limits,
  )
  return {
    glue: toScript(new TextDecoder().decode(source)),
    modules: cores.map(([name], index) => [name, capped[index] as Uint8Array] as const),
  }
}

/** Makes the module a script: its exports become plain declarations, its URL a constant. */
function toScript(source: string): string {
  let exports = 0
  const script = source
    .replace(/^export (function|async function|const) /gm, (_, keyword: string) => {
      exports++
      return `${keyword} `
    })
    .replaceAll('import.meta.url', '""')
  // Other output than the pinned transpiler's is not run.
  if (
    exports !== 2 ||
    !/^function instantiate\(getCoreModule, imports/m.test(script) ||
    /^(import|export)\b/m.test(script)
  ) {
    throw new PluginComponentError('the transpiler wrote glue code of an unknown form')
  }
  return script
}

/** What goes into the sentence that the caller's error makes of it. */
function reasonOf(error: unknown): string {
  if (error instanceof PluginLimitError || error instanceof PluginComponentError) {
    return error.reason
  }
  const payload = (error as { payload?: unknown } | null)?.payload
  return String(payload ?? (error as { message?: unknown } | null)?.message ?? error).slice(
    0,
    1_024,
  )
}
