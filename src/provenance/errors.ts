import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** What can be wrong with build information. */
export type BuildInfoFault =
  | 'malformed'
  | 'duplicate'
  | 'incomplete'
  | 'too_large'
  | 'not_wasm'
  | 'present'

/** Build information, or the WASM that carries it, is not as its format says. Nothing of it is used. */
export class BuildInfoError extends BaseError {
  override readonly name = 'BuildInfoError'
  override readonly code = 'BUILD_INFO_INVALID'
  /** What is wrong. */
  readonly fault: BuildInfoFault

  constructor(
    { fault, reason }: { fault: BuildInfoFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The build information cannot be used: ${reason}.`, {
      metaMessages: [
        fault === 'not_wasm'
          ? 'Give the plugin itself, a WebAssembly component: its source is another file.'
          : 'Write it with `appendMetadata`, or have a manager submit it to the build information registry.',
      ],
      ...options,
    })
    this.fault = fault
  }
}

/** What can be wrong with a source archive. */
export type ArchiveFault =
  | 'malformed'
  | 'unsafe_path'
  | 'unsafe_entry'
  | 'too_large'
  | 'not_one_folder'
  | 'wrong_hash'

/** A source archive is malformed, or would write where it must not. Nothing of it was extracted. */
export class SourceArchiveError extends BaseError {
  override readonly name = 'SourceArchiveError'
  override readonly code = 'SOURCE_ARCHIVE_INVALID'
  /** What is wrong. */
  readonly fault: ArchiveFault

  constructor(
    { fault, reason }: { fault: ArchiveFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The source archive is refused: ${reason}.`, {
      metaMessages: ['Make it with `createSourceArchive`.'],
      ...options,
    })
    this.fault = fault
  }
}

/** A source archive cannot be had. Somebody else, or a later try, may have more luck. */
export class SourceUnavailableError extends BaseError {
  override readonly name = 'SourceUnavailableError'
  override readonly code = 'SOURCE_UNAVAILABLE'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The source archive cannot be had: ${reason}.`, {
      retryable: true,
      metaMessages: ['Publish it over https at `source_uri`, or give a mirror that has it.'],
      ...options,
    })
  }
}

/** A queue has as many waiting jobs as it takes. Nothing was put. */
export class QueueFullError extends BaseError {
  override readonly name = 'QueueFullError'
  override readonly code = 'QUEUE_FULL'
  /** What is full: the part of one requester, or the queue. */
  readonly of: 'requester' | 'queue'

  constructor(of: 'requester' | 'queue', options: BaseErrorOptions = {}) {
    super(
      of === 'queue'
        ? 'The queue has as many waiting jobs as it takes.'
        : 'The queue has as many waiting jobs of this requester as it takes.',
      {
        retryable: true,
        metaMessages: ['Put it again when some were built, or open the queue with larger bounds.'],
        ...options,
      },
    )
    this.of = of
  }
}

/** A toolchain is not on this machine as it is described. */
export class ToolchainError extends BaseError {
  override readonly name = 'ToolchainError'
  override readonly code = 'TOOLCHAIN_UNAVAILABLE'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The toolchain cannot be used: ${reason}.`, {
      metaMessages: ['Install what is missing, in the version that is named.'],
      ...options,
    })
  }
}

/** A worker and its control plane did not come together. */
export class ControlPlaneError extends BaseError {
  override readonly name = 'ControlPlaneError'
  override readonly code = 'CONTROL_PLANE_FAILED'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The control plane is of no use to this worker: ${reason}.`, {
      metaMessages: ['Check its address and this worker’s token.'],
      ...options,
    })
  }
}

/** What was read as a plugin has another hash. */
export class PluginBytesError extends BaseError {
  override readonly name = 'PluginBytesError'
  override readonly code = 'PLUGIN_BYTES_WRONG'

  constructor(wasmHash: string, options: BaseErrorOptions = {}) {
    super(`What was read is not the plugin ${wasmHash}.`, {
      metaMessages: ['Read it from another place: its name is the hash of its bytes.'],
      ...options,
    })
  }
}

/** Builds cannot be kept from this machine. Nothing was built, and nothing is claimed. */
export class IsolationError extends BaseError {
  override readonly name = 'IsolationError'
  override readonly code = 'NO_ISOLATION'
  /** Why not, for a person. */
  readonly reason: string

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`Builds cannot be isolated here: ${reason}.`, {
      metaMessages: [
        'Install bubblewrap (`apt-get install bubblewrap`) and allow user namespaces, or accept that results are worth little: `unsafeNoIsolation`.',
      ],
      ...options,
    })
    this.reason = reason
  }
}
