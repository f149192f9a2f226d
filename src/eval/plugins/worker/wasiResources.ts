/**
 * The resources of WASI that a plugin is handed or links against, without any authority: input is
 * closed, output is captured, everything is ready at once, and files do not exist.
 */

/** Classes of one run, so that no guest sees what another did to a prototype. */
export function createWasiResources(write: (bytes: Uint8Array) => void) {
  /** Thrown where WIT says `err(closed)`. */
  const closed = (): unknown => ({ payload: { tag: 'closed' } })
  const unsupported = (): never => {
    throw { payload: 'unsupported' }
  }

  class WasiError {
    toDebugString(): string {
      return 'closed'
    }
  }
  class Pollable {
    ready(): boolean {
      return true
    }
    block(): void {}
  }
  class InputStream {
    read(): Uint8Array {
      throw closed()
    }
    blockingRead(): Uint8Array {
      throw closed()
    }
    skip(): bigint {
      throw closed()
    }
    blockingSkip(): bigint {
      throw closed()
    }
    subscribe(): Pollable {
      return new Pollable()
    }
  }
  class OutputStream {
    checkWrite(): bigint {
      return 65_536n
    }
    write(bytes: Uint8Array): void {
      write(bytes)
    }
    blockingWriteAndFlush(bytes: Uint8Array): void {
      write(bytes)
    }
    flush(): void {}
    blockingFlush(): void {}
    writeZeroes(length: bigint): void {
      write(new Uint8Array(Number(length > 65_536n ? 65_536n : length)))
    }
    blockingWriteZeroesAndFlush(length: bigint): void {
      this.writeZeroes(length)
    }
    splice(): bigint {
      throw closed()
    }
    blockingSplice(): bigint {
      throw closed()
    }
    subscribe(): Pollable {
      return new Pollable()
    }
  }
  class Descriptor {}
  class DirectoryEntryStream {}
  // No descriptor is ever handed out; the methods exist because the guest links against them.
  for (const name of descriptorMethods)
    Object.defineProperty(Descriptor.prototype, name, { value: unsupported })
  Object.defineProperty(DirectoryEntryStream.prototype, 'readDirectoryEntry', {
    value: unsupported,
  })

  return { WasiError, Pollable, InputStream, OutputStream, Descriptor, DirectoryEntryStream }
}

const descriptorMethods = [
  'readViaStream',
  'writeViaStream',
  'appendViaStream',
  'advise',
  'syncData',
  'getFlags',
  'getType',
  'setSize',
  'setTimes',
  'read',
  'write',
  'readDirectory',
  'sync',
  'createDirectoryAt',
  'stat',
  'statAt',
  'setTimesAt',
  'linkAt',
  'openAt',
  'readlinkAt',
  'removeDirectoryAt',
  'renameAt',
  'symlinkAt',
  'unlinkFileAt',
  'isSameObject',
  'metadataHash',
  'metadataHashAt',
]
