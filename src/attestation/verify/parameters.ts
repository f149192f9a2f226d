/** What a verification is given. */
import type { Bn254Backend, Certificate } from '../../core/bn254/index.js'
import type { DigestPreimage } from '../../core/digest.js'
import type { PluginTranscript } from '../../core/interfaces/evaluator.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import type { Task } from '../../core/task.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { AttestationLevel, LevelProgress } from './outcome.js'
import type { AttestationReader, AttestedInputs } from './reader.js'
import type { SignedTeeDocument } from './teeDocument.js'

/** Parameters of `verifyTaskAttestation`. */
export type VerifyTaskAttestationParameters = IoOptions & {
  reader: AttestationReader
  /** `null` only with `taskChecked`. */
  task: Task | null
  /**
   * The response was accepted on chain, which compared it with its task: `task` may then be `null`.
   * @default false
   */
  taskChecked?: boolean | undefined
  response: PolicyTaskResponse
  /** Needed from level `quorum` on. */
  certificate?: Certificate | undefined
  /** @default 'quorum' */
  level?: AttestationLevel | undefined
  /** Block at which validity is judged; the newest by default. A challenger passes the acceptance block. */
  at?: bigint | undefined
  /**
   * Judge as the contract does when it accepts: a table that is too old is refused, by the timestamp of
   * block `at`. For whoever acts on the outcome instead of sending the response on chain.
   * @default false
   */
  acceptance?: boolean | undefined
  /** The response was accepted on chain: what is slashable can be challenged. @default taskChecked */
  accepted?: boolean | undefined
  /** Where pairings are computed. @default nobleBackend */
  backend?: Bn254Backend | undefined
  /** The digest's preimage as it travels with the response: names a mismatch. */
  preimage?: DigestPreimage | undefined
  /** Outputs and envelope hashes as they travel with the response. Needed at level `result`. */
  inputs?: AttestedInputs | undefined
  /** Plugin exchanges, replayed at level `result` where a plugin replayer is set. */
  transcript?: readonly PluginTranscript[] | undefined
  /** The enclave's document, checked at level `result` where a document verifier is set. */
  document?: SignedTeeDocument | undefined
  /**
   * Told when the checks of a level begin and when all of them passed. A level that was begun and did not
   * pass is the one that the outcome is about. For showing: only the outcome may be acted on.
   */
  onLevel?: ((progress: LevelProgress) => void) | undefined
  /** Documents of several operators, each checked as `document` is. */
  signedDocuments?: readonly SignedTeeDocument[] | undefined
  /** Whether a result verifier is configured on chain, so that a false result is slashable. */
  resultsSlashable?: boolean | undefined
}
