/**
 * Where plugin binaries come from: build information, source archives, claims of verifiers, and what
 * a reader makes of them. Browser-safe.
 *
 * @packageDocumentation
 */
export {
  type ArchiveLimits,
  archiveLimits,
  createSourceArchive,
  readSourceArchive,
  type SourceFile,
} from './build/archive.js'
export {
  type BuildInfo,
  type BuildInfoFields,
  completeBuildInfo,
  computeBuildInfoHash,
  decodeBuildInfo,
  decodeBuildInfoFields,
  encodeBuildInfo,
  encodeBuildInfoFields,
  isToolchainManifest,
  MAX_BUILD_INFO_BYTES,
  type PartialBuildInfo,
  parseBuildEntries,
  toMetadataEntries,
} from './build/buildInfo.js'
export {
  type BuildComparison,
  type BuildMatch,
  compareBuild,
  computeWasmHashes,
  type SectionDifference,
  type WasmHashes,
} from './build/compareBuild.js'
export {
  appendMetadata,
  decodeMetadata,
  encodeMetadata,
  METADATA_SECTION,
  type MetadataEntry,
  type PluginMetadata,
  readMetadata,
  splitMetadata,
} from './build/metadata.js'
export {
  type ArchiveFault,
  BuildInfoError,
  type BuildInfoFault,
  SourceArchiveError,
} from './errors.js'
