/** Events by which a ledger speaks of itself: its start, its keys, snapshots, anchors. */
import { keyRoles } from '../events/view.js'
import {
  address,
  bytes,
  chainHash,
  type Fields,
  hash32,
  key32,
  keyId,
  note,
  signature64,
  uint,
  type Zod,
} from './parts.js'

/** Fields by `type/version`. */
export function ledgerSchemas(z: Zod): Record<string, Fields> {
  const role = z.enum(keyRoles.filter((name) => name !== 'genesis'))
  const log = { origin: z.string().min(1).max(255), size: uint(z), root: chainHash(z) }
  return {
    'ets.genesis/1': {
      /** What the hashes and encodings are: the pages of this package. */
      profile: z.literal('newton-ledger/1'),
      domains: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/))
        .min(1)
        .max(16),
      /** The verifier key of the meta log, as C2SP writes it. */
      checkpoint_key: z.string().max(400),
    },
    'ets.key.add/1': {
      key_id: keyId(z),
      public_key: key32(z),
      role,
      proof: signature64(z),
    },
    'ets.key.rotate/1': {
      old_key_id: keyId(z),
      key_id: keyId(z),
      public_key: key32(z),
      role,
      proof: signature64(z),
    },
    'ets.key.revoke/1': { key_id: keyId(z), reason: note(z) },
    'ets.snapshot/1': {
      /** The last event whose effect is in it. */
      seq: uint(z),
      head: chainHash(z),
      state_root: chainHash(z),
      reducers: z
        .array(
          z.strictObject({
            name: z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/),
            root: chainHash(z),
            version: z.string().max(64),
          }),
        )
        .max(64),
    },
    'ets.anchor.chain/1': {
      ...log,
      chainId: uint(z),
      contract: address(z),
      owner: address(z),
      transactionHash: hash32(z),
      blockNumber: uint(z),
    },
    'ets.anchor.rekor/1': {
      ...log,
      url: z.string().max(400),
      logIndex: uint(z),
      digest: chainHash(z),
      /** The entry of the log as it answered it: JSON text. */
      receipt: z.string().max(30_000),
    },
    'ets.anchor.ots/1': {
      ...log,
      digest: chainHash(z),
      calendars: z.array(z.string().max(400)).max(16),
      /** The `.ots` file. */
      timestamp: bytes(z, 12_000),
    },
  }
}
