/**
 * A public-key infrastructure in the shape of AWS's: root, regional, zonal and instance CA, and a leaf
 * that is renewed every 2 h 45 min. Its names say that it is not Amazon's.
 */
import type { Hex } from 'viem'
import { concat, utf8 } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import { certificateFingerprint } from '../nitro/x509/roots.js'
import {
  type CertificateSpec,
  issueCertificate,
  type SignatureForm,
  type SigningKey,
  signingKey,
} from './certificates.js'
import { name } from './derWrite.js'

/** What a document is signed with at one time. */
export type SimulatorCredential = {
  cabundle: readonly Uint8Array[]
  certificate: Uint8Array
  key: SigningKey
  notBefore: number
  notAfter: number
}

/** The infrastructure. */
export type SimulatorPki = {
  /** What a verifier's `roots` takes, with `insecureTrustRoot: true`. */
  root: { der: Uint8Array; sha256: Hex }
  /** The certificates in force at a time in milliseconds; the leaf stays the same for 2 h 45 min. */
  credentialAt(now: number): SimulatorCredential
}

/** The levels of the infrastructure, from the top. */
type Level = 'root' | 'regional' | 'zonal' | 'instance' | 'leaf'

/** Changes to certificates by level, for chains that break the profile. */
export type PkiOverrides = Partial<Record<Level, Partial<CertificateSpec>>>

const second = 1000
const hour = 3600 * second
const day = 24 * hour
const region = 'us-sim-1'
const leafLife = 3 * hour + 3 * second
const leafUse = 2.75 * hour
const rootFrom = Date.UTC(2019, 9, 28, 13, 28, 5)
const rootTo = Date.UTC(2049, 9, 28, 14, 28, 5)

const organization = [
  ['C', 'US'],
  ['O', 'NOT AMAZON'],
  ['OU', 'newton-simulator'],
] as const
const location = [
  ['C', 'US'],
  ['ST', 'Simulated'],
  ['L', 'Nowhere'],
  ['O', 'NOT AMAZON'],
  ['OU', 'newton-simulator'],
] as const

/**
 * Creates the infrastructure.
 *
 * @param parameters.seed - Makes every key, serial and signature a function of the seed and the clock.
 * Without it the root is a fresh one that nobody else has.
 */
export function createSimulatorPki(parameters: {
  moduleId: string
  seed?: Uint8Array | undefined
  signatures?: SignatureForm | undefined
  overrides?: PkiOverrides | undefined
}): SimulatorPki {
  assertMembers('parameters', parameters, ['moduleId'])
  const { moduleId, signatures = 'natural', overrides = {} } = parameters
  const seed = parameters.seed ?? defaultRandomBytes(48)
  const derive = (label: string): SigningKey =>
    signingKey(concat(utf8(`newton-simulator/${label}/`), seed))
  const root = { names: namesOf(moduleId), key: derive('root'), derive, signatures, overrides }
  const authority: Authority = { ...root, rootDer: issueRoot(root) }

  let current: SimulatorCredential | undefined
  let issuedAt = 0
  return {
    root: { der: authority.rootDer, sha256: certificateFingerprint(authority.rootDer) },
    credentialAt: (now) => {
      if (current === undefined || now < issuedAt || now - issuedAt > leafUse) {
        issuedAt = now
        current = issueCredential(authority, now)
      }
      return current
    },
  }
}

/** The root before it has a certificate: its names and its key, and how others are made. */
type Root = {
  names: Readonly<Record<Level, Uint8Array>>
  key: SigningKey
  derive: (label: string) => SigningKey
  signatures: SignatureForm
  overrides: PkiOverrides
}

type Authority = Root & { rootDer: Uint8Array }

function namesOf(moduleId: string): Readonly<Record<Level, Uint8Array>> {
  const instanceId = moduleId.split('-enc')[0] as string
  return {
    root: name([...organization, ['CN', 'newton-simulator.nitro-enclaves']]),
    regional: name([
      ...organization,
      ['CN', `5130000000000001.${region}.newton-simulator.nitro-enclaves`],
    ]),
    zonal: name([
      ['CN', `5130000000000002.zonal.${region}.newton-simulator.nitro-enclaves`],
      ['OU', 'newton-simulator'],
      ['O', 'NOT AMAZON'],
      ['C', 'US'],
      ['ST', 'Simulated'],
      ['L', 'Nowhere'],
    ]),
    instance: name([
      ...location,
      ['CN', `${instanceId}.${region}.newton-simulator.nitro-enclaves`],
    ]),
    leaf: name([...location, ['CN', `${moduleId}.${region}.newton-simulator`]]),
  }
}

function serialOf({ derive }: Root, label: string): Uint8Array {
  const serial = derive(`serial/${label}`).publicKey.slice(1, 17)
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  return serial
}

function issueRoot(root: Root): Uint8Array {
  return issueCertificate(
    {
      serial: serialOf(root, 'root'),
      issuer: root.names.root,
      subject: root.names.root,
      notBefore: rootFrom,
      notAfter: rootTo,
      publicKey: root.key.publicKey,
      ca: true,
      keyUsage: [0, 5, 6],
      keyUsageCritical: true,
      ...root.overrides.root,
    },
    root.key,
    root.signatures,
  )
}

/** Issues the chain below the root, and its leaf, for a time. */
function issueCredential(authority: Authority, now: number): SimulatorCredential {
  const { derive } = authority
  const at = Math.floor(now / second) * second
  const keys = {
    root: authority.key,
    regional: derive('regional'),
    zonal: derive('zonal'),
    instance: derive('instance'),
  }
  const regional = issueCa(authority, keys, {
    level: 'regional',
    above: 'root',
    pathLength: 2,
    notBefore: at - 6 * day,
    notAfter: at + 14 * day,
    keyUsage: [0, 5, 6],
  })
  const zonal = issueCa(authority, keys, {
    level: 'zonal',
    above: 'regional',
    pathLength: 1,
    notBefore: at - 2 * day,
    notAfter: at + 3.75 * day,
    keyUsage: [0, 5, 6],
  })
  const instance = issueCa(authority, keys, {
    level: 'instance',
    above: 'zonal',
    pathLength: 0,
    notBefore: at - 12 * hour,
    notAfter: at + 12 * hour,
    keyUsage: [5],
  })
  const leaf = issueLeaf(authority, keys.instance, at)
  return { cabundle: [authority.rootDer, regional, zonal, instance], ...leaf }
}

function issueCa(
  authority: Authority,
  keys: Readonly<Record<Exclude<Level, 'leaf'>, SigningKey>>,
  ca: {
    level: 'regional' | 'zonal' | 'instance'
    above: 'root' | 'regional' | 'zonal'
    pathLength: number
    notBefore: number
    notAfter: number
    keyUsage: readonly number[]
  },
): Uint8Array {
  const { names, signatures, overrides } = authority
  const { level, above, ...shape } = ca
  return issueCertificate(
    {
      serial: serialOf(authority, `${level}/${shape.notBefore}`),
      issuer: names[above],
      subject: names[level],
      publicKey: keys[level].publicKey,
      ca: true,
      keyUsageCritical: true,
      keyIdentifiers: { issuerKey: keys[above].publicKey },
      ...shape,
      ...overrides[level],
    },
    keys[above],
    signatures,
  )
}

function issueLeaf(
  authority: Authority,
  issuerKey: SigningKey,
  at: number,
): Omit<SimulatorCredential, 'cabundle'> {
  const key = authority.derive(`leaf/${at}`)
  // AWS backdates a leaf by a few seconds at most.
  const notBefore = at - 3 * second
  const notAfter = notBefore + leafLife
  const certificate = issueCertificate(
    {
      serial: serialOf(authority, `leaf/${at}`),
      issuer: authority.names.instance,
      subject: authority.names.leaf,
      notBefore,
      notAfter,
      publicKey: key.publicKey,
      ca: false,
      keyUsage: [0, 1],
      keyUsageCritical: false,
      ...authority.overrides.leaf,
    },
    issuerKey,
    authority.signatures,
  )
  return { certificate, key, notBefore, notAfter }
}
