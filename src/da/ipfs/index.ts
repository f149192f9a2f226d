/** IPFS: trustless reads and named UnixFS profiles. */
export { MAX_BLOCK_BYTES } from './gateway.js'
export { cidCheck, type IpfsOptions, type IpfsUpload, ipfs } from './ipfs.js'
export { cidLocator, cidText } from './multihash.js'
export {
  buildUnixfs,
  type IpfsBlock,
  matchProfile,
  type UnixfsProfile,
  unixfsProfiles,
  type WalkLimits,
  walkUnixfs,
} from './unixfs.js'
