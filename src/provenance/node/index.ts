/**
 * Provenance on Node: builds in a sandbox, toolchains, queues in Postgres, evidence in files.
 *
 * @packageDocumentation
 */

export {
  type LocalBuild,
  type SandboxedBuilder,
  type SandboxedBuilderParameters,
  sandboxedBuilder,
} from './builder.js'
export { type CrateOptions, type LockedCrate, layOutCrates, readCargoLock } from './crates.js'
export { evidenceFiles } from './evidenceFiles.js'
export { type FetchOptions, fetchGuarded, fetchSource } from './fetchSource.js'
export type { SandboxEnd } from './isolation/buildStreams.js'
export {
  type Bind,
  type BuildLimits,
  buildLimits,
  openSandbox,
  type Sandbox,
  type SandboxRun,
} from './isolation/sandbox.js'
export { pgliteQueue, postgresQueue } from './sqlQueue.js'
export {
  describeToolchain,
  nameToolchain,
  packageClosure,
  type Toolchain,
  type ToolchainManifest,
  type ToolchainPackage,
  type ToolchainParts,
} from './toolchain.js'
