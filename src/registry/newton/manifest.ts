/** Composite manifests: several packs in one policy, described in its params. */
import { type Address, getAddress, isAddress } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'

/** One module of a composite policy. */
export type ManifestModule = { id: string; policyDataAddress: Address; wasmCid: string }

/** A composite manifest, version 1. */
export type CompositeManifest = {
  magic: 'NPM1'
  version: 1
  /** In the order of the policy's data contracts. */
  modules: readonly ManifestModule[]
  /** Params of each module, by its short id. */
  params: Readonly<Record<string, Json>>
}

/** What params say about a manifest. */
export type ManifestReading =
  | { status: 'none' }
  | { status: 'composite'; manifest: CompositeManifest }
  | { status: 'malformed'; reason: string }

/**
 * Reads a composite manifest from a policy's params. Never throws.
 *
 * @returns `none` where the params are not composite, `malformed` where they claim to be and are
 * not: modules and params have to be in one-to-one correspondence.
 */
export function readManifest(params: JsonObject): ManifestReading {
  const header = params['_manifest']
  if (header === undefined) return { status: 'none' }
  const malformed = (reason: string): ManifestReading => ({ status: 'malformed', reason })
  if (!isObject(header) || header['magic'] !== 'NPM1') return malformed('its magic is not NPM1')
  if (header['version'] !== 1)
    return malformed(`version 1 is read, not ${String(header['version'])}`)
  const { modules, params: values } = params
  if (!Array.isArray(modules) || modules.length === 0) return malformed('it has no modules')
  if (!isObject(values)) return malformed('it has no params')
  const read: ManifestModule[] = []
  for (const [index, module] of modules.entries()) {
    if (!isObject(module)) return malformed(`module ${index} is no object`)
    const { id, policyDataAddress, wasmCid } = module
    if (typeof id !== 'string' || typeof wasmCid !== 'string') {
      return malformed(`module ${index} has no id or no wasmCid`)
    }
    if (typeof policyDataAddress !== 'string' || !isAddress(policyDataAddress, { strict: false })) {
      return malformed(`module ${index} has no policyDataAddress`)
    }
    read.push({ id, wasmCid, policyDataAddress: getAddress(policyDataAddress) })
  }
  const keys = Object.keys(values)
  if (keys.length !== read.length) {
    return malformed(`${read.length} modules, params for ${keys.length}`)
  }
  // Params are named by the short id: the pack's name without scope or version.
  const unmatched = read.filter(({ id }) => !keys.includes(id) && !keys.includes(shortId(id)))
  if (unmatched.length > 0) return malformed(`no params for ${unmatched[0]?.id}`)
  if (new Set(read.map(({ id }) => id)).size !== read.length)
    return malformed('a module is there twice')
  return {
    status: 'composite',
    manifest: { magic: 'NPM1', version: 1, modules: read, params: values },
  }
}

/** Params of one module of a manifest. */
export function moduleParams(manifest: CompositeManifest, id: string): Json | undefined {
  return manifest.params[id] ?? manifest.params[shortId(id)]
}

function shortId(id: string): string {
  const name = id.slice(id.lastIndexOf('/') + 1)
  const at = name.indexOf('@')
  return at > 0 ? name.slice(0, at) : name
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
