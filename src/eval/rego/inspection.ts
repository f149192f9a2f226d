/** What the engine finds in a policy: the shape of `engine_load`'s answer. */
import type { Json } from '../../core/canonicalJson.js'

/** A place, from 1. */
export type Place = { line: number; column: number }

/** Steps of a reference; `null` where a step is computed. */
export type RefPath = readonly (string | null)[]

/** One side of a comparison. */
export type Operand =
  | { literal: Json; ref?: undefined; call?: undefined }
  | { ref: RefPath; literal?: undefined; call?: undefined }
  | { call: string; of: readonly Operand[]; literal?: undefined; ref?: undefined }
  | { arithmetic?: boolean; literal?: undefined; ref?: undefined; call?: undefined }

/** A comparison or unification. */
export type Comparison = Place & { operator: string; left: Operand; right: Operand }

/** One statement of a rule body. */
export type Condition = Place & {
  kind: 'some' | 'some in' | 'every' | 'not' | 'expression'
  comparison?: Comparison | undefined
  operand?: Operand | undefined
  assigns?: Operand | undefined
}

/** One body of a rule, or one `else` branch. */
export type RuleBody = Place & {
  /** Whether it has no condition. */
  always: boolean
  statements: number
  value: Json
  conditions: readonly Condition[]
  refs: readonly [number, number]
  calls: readonly [number, number]
}

/** One rule as written: several may share a name. */
export type RuleInspection = Place & {
  name: string
  kind: 'complete' | 'set' | 'object' | 'function'
  default: boolean
  defaultValue: Json
  endLine: number
  arguments: number
  /** The constant of the head: of a set its member, else the assigned value. */
  key: Json
  bodies: readonly RuleBody[]
  locals: readonly string[]
  refs: readonly (Place & { path: RefPath })[]
  withs: readonly (Place & { path: RefPath })[]
  /** Calls with what they are given. */
  calls: readonly (Place & { name: string; of: readonly Operand[] })[]
  comparisons: readonly Comparison[]
  constructs: readonly (Place & { name: string })[]
}

/** One module. */
export type ModuleInspection = Place & {
  file: string
  package: readonly string[]
  imports: readonly (Place & { path: RefPath; alias: string | null })[]
  rules: readonly RuleInspection[]
}

/** Everything in the loaded modules. */
export type RegoInspection = {
  packagePath: string | null
  needsClock: boolean
  needsSeed: boolean
  needsIdentity: boolean
  /** Calls of functions the engine does not have. */
  unknownFunctions: readonly (Place & { name: string })[]
  modules: readonly ModuleInspection[]
}
