/**
 * Policies compiled by the OPA toolchain, for those who bring one.
 *
 * OPA decides some real policies differently from the operators (docs/evaluation.md), so results
 * carry `semantics: 'opa'` and never enter an attestation unless a caller asks for that by name.
 */
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { parseJson } from '../../core/canonicalJson.js'
import { MissingPeerError } from '../../errors/common.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { assertBytes, assertMembers } from '../../internal/options.js'
import { OpaPolicyError } from '../errors.js'
import type { PreparedPolicy, RegoEngine, RegoOutcome } from './engine.js'

/** The part of `@open-policy-agent/opa-wasm` that is used. */
type LoadedPolicy = {
  entrypoints: Record<string, number>
  setData(data: object): void
  evaluate(input: unknown, entrypoint?: string | number): unknown
}

type OpaWasm = {
  loadPolicy(wasm: Uint8Array, memory?: { initial: number; maximum: number }): Promise<LoadedPolicy>
}

/** Pages of 64 KiB. */
const MEMORY = { initial: 5, maximum: 1024 } as const

/**
 * Creates an engine that runs one compiled policy: the `policy.wasm` of `opa build -t wasm`.
 *
 * The bytes are not bound to the Rego they came from: whoever compiled them vouches for that. The
 * Rego given to `prepare` only names the package, whose `allow` (and `deny`) must be entrypoints.
 * There is no limit of steps, so never run a policy of somebody else's with it.
 *
 * @param parameters.policyWasm - The module's bytes.
 * @throws {MissingPeerError} from `prepare`, when `@open-policy-agent/opa-wasm` is not installed.
 * @example
 * ```ts
 * import { opaWasmEngine } from '@newton/policy-sdk/eval'
 *
 * opaWasmEngine({ policyWasm: new Uint8Array() }).semantics // 'opa'
 * ```
 */
export function opaWasmEngine(parameters: { policyWasm: Uint8Array }): RegoEngine {
  assertMembers('parameters', parameters, ['policyWasm'])
  const { policyWasm } = parameters
  assertBytes('policyWasm', policyWasm)
  return {
    id: 'opa-wasm',
    semantics: 'opa',
    async prepare({ rego }) {
      const packageName = packageOf(rego)
      const loaded = await load(policyWasm)
      const path = packageName.replaceAll('.', '/')
      const allow = `${path}/allow`
      if (!Object.hasOwn(loaded.entrypoints, allow)) {
        const names = Object.keys(loaded.entrypoints).join(', ')
        throw new OpaPolicyError(`it has no entrypoint ${allow}, only ${names || 'none'}`, {
          metaMessages: [`Build it with: opa build -t wasm -e ${allow} -e ${path}/deny`],
        })
      }
      return prepared(loaded, { packageName, path })
    },
  }
}

async function load(policyWasm: Uint8Array): Promise<LoadedPolicy> {
  let opa: OpaWasm
  try {
    const imported = (await import('@open-policy-agent/opa-wasm')) as unknown as {
      default?: OpaWasm
    } & OpaWasm
    opa = imported.loadPolicy === undefined ? (imported.default as OpaWasm) : imported
  } catch (cause) {
    const peer = '@open-policy-agent/opa-wasm'
    throw new MissingPeerError({ peer, needed: 'opaWasmEngine' }, { cause })
  }
  try {
    return await opa.loadPolicy(policyWasm, { ...MEMORY })
  } catch (cause) {
    throw new OpaPolicyError(`it does not load: ${thrown(cause)}`, { cause })
  }
}

function prepared(
  loaded: LoadedPolicy,
  { packageName, path }: { packageName: string; path: string },
): PreparedPolicy {
  let disposed = false
  return {
    package: packageName,
    evaluate({ inputJson, dataJson }) {
      if (disposed) return failure('DISPOSED', 'the policy was disposed of')
      try {
        const input = parseJson(inputJson)
        // The runtime takes null, false, 0 and "" for no input at all.
        if (!input) return failure('INVALID_INPUT', 'opa-wasm takes a falsy input for none')
        loaded.setData(parseJson(dataJson) as JsonObject)
        const allow = single(loaded.evaluate(input, `${path}/allow`))
        if (allow === undefined) return { kind: 'undefined' }
        const hasDeny = Object.hasOwn(loaded.entrypoints, `${path}/deny`)
        const deny = hasDeny ? single(loaded.evaluate(input, `${path}/deny`)) : undefined
        return { kind: 'defined', allow: allow === true, reasons: reasonsOf(deny), value: allow }
      } catch (cause) {
        return caught(cause)
      }
    },
    dispose() {
      disposed = true
    },
  }
}

/** Sets arrive as arrays in an order of their own. */
function reasonsOf(deny: Json | undefined): string[] {
  if (!Array.isArray(deny)) return []
  const texts = deny.filter((reason: Json): reason is string => typeof reason === 'string')
  return [...new Set(texts)].sort(byUtf8)
}

const encoder = new TextEncoder()

function byUtf8(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i] as number) - (y[i] as number)
    if (difference !== 0) return difference
  }
  return x.length - y.length
}

function single(results: unknown): Json | undefined {
  if (!Array.isArray(results) || results.length === 0) return undefined
  return (results[0] as { result?: Json }).result
}

/** The runtime throws strings and plain objects. */
function caught(cause: unknown): RegoOutcome {
  const message = thrown(cause)
  const missing = /not implemented: (built-in function .*)/.exec(message)?.[1]
  if (missing !== undefined) return { kind: 'unsupported', what: missing }
  return failure('EVALUATION', message)
}

function thrown(cause: unknown): string {
  if (typeof cause === 'string') return cause
  if (typeof cause === 'object' && cause !== null && 'message' in cause) {
    return String(cause.message)
  }
  return String(cause)
}

function failure(code: string, message: string): RegoOutcome {
  return { kind: 'error', code, message }
}

/** The package a source names, with comments and blank lines before it. */
function packageOf(rego: Parameters<RegoEngine['prepare']>[0]['rego']): string {
  const source = rego instanceof Uint8Array ? fromUtf8(rego, 'rego') : (rego[0]?.source ?? '')
  const name = /^\s*(?:#[^\n]*\n\s*)*package\s+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/.exec(source)?.[1]
  if (name === undefined) throw new OpaPolicyError('its Rego names no package')
  return name
}
