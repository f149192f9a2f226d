/**
 * What an operator or a gateway refuses a call with. Numbers of the standard and of the current protocol where it
 * has one, own ones from -32640 to -32662. Code and name are API.
 */

/** Every fault, with its JSON-RPC code, whether the same call may succeed later, and its HTTP status. */
export const rpcFaults = {
  PARSE_ERROR: { code: -32_700, retryable: false, status: 400 },
  INVALID_REQUEST: { code: -32_600, retryable: false, status: 400 },
  METHOD_NOT_FOUND: { code: -32_601, retryable: false, status: 404 },
  INVALID_PARAMS: { code: -32_602, retryable: false, status: 400 },
  INTERNAL: { code: -32_603, retryable: true, status: 500 },
  UNAUTHENTICATED: { code: -32_002, retryable: false, status: 401 },
  EVALUATION_FAILED: { code: -32_615, retryable: false, status: 200 },
  CONTRACT_READ_FAILED: { code: -32_616, retryable: true, status: 200 },
  OPERATOR_NOT_REGISTERED: { code: -32_617, retryable: false, status: 200 },
  DATA_PROVIDER_FAILED: { code: -32_620, retryable: true, status: 200 },
  CALL_EXPIRED: { code: -32_640, retryable: true, status: 401 },
  CALL_REPLAYED: { code: -32_641, retryable: false, status: 401 },
  FOREIGN_CHAIN: { code: -32_642, retryable: false, status: 200 },
  UNKNOWN_TASK: { code: -32_643, retryable: false, status: 200 },
  OVERLOADED: { code: -32_644, retryable: true, status: 429 },
  BEHIND: { code: -32_645, retryable: true, status: 200 },
  INPUTS_DIVERGE: { code: -32_646, retryable: false, status: 200 },
  EQUIVOCATION_REFUSED: { code: -32_647, retryable: false, status: 200 },
  ENCLAVE_MISSING: { code: -32_648, retryable: true, status: 200 },
  NOT_READY: { code: -32_649, retryable: true, status: 200 },
  TASK_EXPIRED: { code: -32_650, retryable: false, status: 200 },
  COMMIT_REFUSED: { code: -32_651, retryable: false, status: 200 },
  TOO_LARGE: { code: -32_652, retryable: false, status: 413 },
  TIMED_OUT: { code: -32_653, retryable: true, status: 200 },
  NO_QUORUM: { code: -32_654, retryable: true, status: 200 },
  REQUEST_REUSED: { code: -32_655, retryable: false, status: 200 },
  CLIENT_NOT_ACTIVE: { code: -32_656, retryable: false, status: 200 },
  EQUIVOCATION: { code: -32_657, retryable: false, status: 200 },
  NOT_LANDED: { code: -32_658, retryable: false, status: 200 },
  LEAF_REFUSED: { code: -32_659, retryable: false, status: 200 },
  SECRETS_REFUSED: { code: -32_660, retryable: false, status: 200 },
  BELOW_FLOOR: { code: -32_661, retryable: false, status: 200 },
  REFERENCE_BLOCK_LOST: { code: -32_662, retryable: true, status: 200 },
} as const satisfies Record<string, { code: number; retryable: boolean; status: number }>

/** Name of a fault. */
export type RpcFault = keyof typeof rpcFaults

/** The fault of a code, `undefined` for a code that is none. */
export function faultOfCode(code: number): RpcFault | undefined {
  const names = Object.keys(rpcFaults) as RpcFault[]
  return names.find((name) => rpcFaults[name].code === code)
}

/** What a thrown error of the layers below is on the wire. All others are `INTERNAL`. */
const faultsByErrorCode: Readonly<Record<string, RpcFault>> = {
  EQUIVOCATION_REFUSED: 'EQUIVOCATION_REFUSED',
  JOURNAL_FLOOR: 'BELOW_FLOOR',
  JOURNAL_FAILED: 'NOT_READY',
  INPUTS_DIVERGE: 'INPUTS_DIVERGE',
  ABSTAIN: 'INPUTS_DIVERGE',
  OUTPUT_GROUPS_REFUSED: 'INVALID_PARAMS',
  ARTIFACT_NOT_COMMITTED: 'BEHIND',
  TREE_VERSION_NOT_RETAINED: 'BEHIND',
  CUTOFF_NOT_FINAL: 'BEHIND',
  EVENTS_NOT_SHOWN: 'BEHIND',
  PROPOSAL_REFUSED: 'COMMIT_REFUSED',
  POLICY_NOT_DEPLOYED_ON_CHAIN: 'EVALUATION_FAILED',
  POLICY_DATA_INSTANCE_MISSING: 'EVALUATION_FAILED',
  POLICY_DATA_KIND_MISMATCH: 'EVALUATION_FAILED',
  POLICY_EVALUATION_FAILED: 'EVALUATION_FAILED',
  REGISTRY_ROW_INCONSISTENT: 'CONTRACT_READ_FAILED',
  TASK_MISMATCH: 'BEHIND',
  SECRETS_INVALID: 'SECRETS_REFUSED',
  ENVELOPE_INVALID: 'SECRETS_REFUSED',
  TIMEOUT: 'TIMED_OUT',
  TREE_LEAF_REFUSED: 'LEAF_REFUSED',
}

/** What an error of the layers below is on the wire. */
export function faultOfError(code: string): RpcFault {
  const known = faultsByErrorCode[code]
  if (known !== undefined) return known
  if (/^(ENCLAVE|TUNNEL|NSM)_/.test(code)) return 'ENCLAVE_MISSING'
  if (/^(EVAL|REGO|SCHEMA|SECRETS|WASM|JSON)_/.test(code)) return 'EVALUATION_FAILED'
  if (/^PLUGIN_/.test(code)) return 'DATA_PROVIDER_FAILED'
  if (/^(CONTRACT|REGISTRY|RPC|CHAIN)_/.test(code)) return 'CONTRACT_READ_FAILED'
  return 'INTERNAL'
}
