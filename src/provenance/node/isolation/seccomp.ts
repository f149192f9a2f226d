/**
 * The system calls that a build is not given: what reaches past namespaces, and memory that no process
 * of its own is seen to hold. A program of classic BPF, as `bwrap --seccomp` loads it.
 *
 * | call | what it would reach |
 * |---|---|
 * | `socket` of other families | `AF_VSOCK` ends at the host of a virtual machine, whatever the network |
 * | `keyctl`, `add_key`, `request_key` | keys of the session that the worker was started in |
 * | `memfd_create`, `memfd_secret`, `shmget`, `msgget`, `semget` | memory that belongs to no process |
 * | `io_uring_*` | any call, past this filter |
 * | `bpf`, `perf_event_open`, `userfaultfd` | the kernel |
 * | `ioctl` of `TIOCSTI`, `TIOCLINUX` | typing into a terminal |
 */
import { concatAll } from '../../../internal/bytes.js'

type Arch = {
  /** What the kernel calls it. */
  audit: number
  socket: number
  ioctl: number
  /** Answered with `ENOSYS`, as by a kernel that does not have them: programs do without. */
  denied: readonly number[]
  /** Calls from here on are of another ABI. */
  above?: number
}

const architectures: Readonly<Record<string, Arch>> = {
  x64: {
    ...{ audit: 0xc000003e, socket: 41, ioctl: 16, above: 0x40000000 },
    // shmget, semget, msgget, add_key, request_key, keyctl, perf_event_open, memfd_create, bpf,
    // userfaultfd, io_uring_setup, io_uring_enter, io_uring_register, memfd_secret
    denied: [29, 64, 68, 248, 249, 250, 298, 319, 321, 323, 425, 426, 427, 447],
  },
  arm64: {
    ...{ audit: 0xc00000b7, socket: 198, ioctl: 29 },
    // The same, with msgget 186, semget 190, shmget 194.
    denied: [186, 190, 194, 217, 218, 219, 241, 279, 280, 282, 425, 426, 427, 447],
  },
}

/** `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_NETLINK`: all of them end at the namespace. */
const families = [1, 2, 10, 16]
/** `TIOCSTI`, `TIOCLINUX`. */
const typing = [0x5412, 0x541c]

const [eperm, enosys, eafnosupport] = [1, 38, 97]

/** The filter for machines of this kind; `undefined` where their calls are not known. */
export function buildFilter(arch: string): Uint8Array | undefined {
  const known = Object.hasOwn(architectures, arch) ? architectures[arch] : undefined
  if (known === undefined) return undefined
  const { audit, socket, ioctl, denied, above } = known
  return concatAll([
    load(4),
    ifEqual(audit, 1, 0),
    refuse(enosys),
    load(0),
    ...(above === undefined ? [] : [instruction(0x35, 0, 1, above), refuse(enosys)]),
    ...denied.flatMap((number) => [ifEqual(number, 0, 1), refuse(enosys)]),
    ifEqual(socket, 0, families.length + 3),
    load(16),
    ...families.map((family, at) => ifEqual(family, families.length - at, 0)),
    refuse(eafnosupport),
    allow,
    ifEqual(ioctl, 0, typing.length + 3),
    load(24),
    ...typing.map((request, at) => ifEqual(request, typing.length - at, 0)),
    allow,
    refuse(eperm),
    allow,
  ])
}

function instruction(code: number, yes: number, no: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, code, true)
  view.setUint8(2, yes)
  view.setUint8(3, no)
  view.setUint32(4, value, true)
  return bytes
}

/** Loads a word of what is asked: 0 the call, 4 the machine, 16 and 24 the first two arguments. */
function load(offset: number): Uint8Array {
  return instruction(0x20, 0, 0, offset)
}

/** Skips `yes` instructions where the word is this, `no` where it is not. */
function ifEqual(value: number, yes: number, no: number): Uint8Array {
  return instruction(0x15, yes, no, value)
}

function refuse(error: number): Uint8Array {
  return instruction(0x06, 0, 0, 0x00050000 | error)
}

const allow = instruction(0x06, 0, 0, 0x7fff0000)
