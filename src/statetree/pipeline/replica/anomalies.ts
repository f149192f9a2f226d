/** Anomaly codes of the policy layer. Unknown ones are carried, not refused. */

/** Codes by name. 0x01 to 0x0f belong to the private-data layer. */
export const anomalyCodes = {
  policy_commit_state_root_mismatch: 0x10,
  policy_commit_defer_queue_divergence: 0x11,
  policy_artifact_bytes_corruption: 0x12,
  policy_attestation_wrong_artifact_binding: 0x13,
  policy_ref_count_inconsistency: 0x14,
  policy_artifact_reserved_1: 0x15,
  policy_artifact_reserved_2: 0x16,
} as const

/** Name of a known anomaly. */
export type AnomalyName = keyof typeof anomalyCodes

/** Something that should not be. Detection only: nothing follows from it by itself. */
export type Anomaly = {
  code: number
  /** `undefined` for codes this version does not know. */
  name: AnomalyName | undefined
  /** The commit it is about, where it is about one. */
  sequenceNo?: bigint | undefined
  detail: string
}

/** Name of a code, or `undefined`. */
export function anomalyName(code: number): AnomalyName | undefined {
  const found = Object.entries(anomalyCodes).find(([, known]) => known === code)
  return found?.[0] as AnomalyName | undefined
}

/** Makes an anomaly of a known kind. */
export function anomaly(
  name: AnomalyName,
  about: { sequenceNo?: bigint | undefined; detail: string },
): Anomaly {
  return { code: anomalyCodes[name], name, ...about }
}
