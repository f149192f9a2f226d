/** Plugins run again offline, one at a time, for whoever verifies what operators attested. */
import { computeArtifactHash } from '../../core/artifact.js'
import type { PluginReplayer, PluginTranscript } from '../../core/interfaces/evaluator.js'
import { computeTaskId } from '../../core/task.js'
import { buildPluginInput } from '../intent/wasmArgs.js'
import { PluginReplayError } from '../plugins/errors.js'
import type { PluginRuntime } from '../plugins/runtime/runtime.js'

/**
 * Checks that a transcript can be replayed offline for this input.
 *
 * @throws {PluginReplayError} where it holds no exchanges, or is of another input.
 */
export function assertReplayable(transcript: PluginTranscript, input: string): void {
  // Without a list the runtime would fetch.
  if (!Array.isArray(transcript.exchanges)) throw new PluginReplayError('it holds no exchanges')
  if (transcript.input !== input) {
    throw new PluginReplayError('its input is not what task and params give')
  }
}

/**
 * Creates what a verifier of level `result` replays plugins with.
 *
 * Input, clock and seed come from the task and the chain, only the answers to requests from the
 * transcript. Nothing is fetched. A plugin that asks for secrets fails: of such a run only the hash
 * of its transcript leaves the enclave, so there is nothing to replay.
 *
 * @throws From `replayPlugin`, {@link PluginReplayError} where the run and its transcript part, and
 * whatever the plugin's run ends in.
 * @example
 * ```ts
 * import { createPluginReplayer, type PluginRuntime } from '@newton/policy-sdk/eval'
 *
 * declare const runtime: PluginRuntime
 * createPluginReplayer({ plugins: runtime }) // `plugins` of an attestation reader
 * ```
 */
export function createPluginReplayer(parameters: {
  plugins: Pick<PluginRuntime, 'run'>
}): PluginReplayer {
  return {
    replayPlugin: async ({ wasm, transcript, task, blockTimestamp, params }, options = {}) => {
      const { policyDataTemplateId, policyDataInstanceId, exchanges } = transcript
      const input = buildPluginInput({ wasmArgs: task.wasmArgs, params })
      assertReplayable(transcript, input)
      const { output } = await parameters.plugins.run(
        {
          wasmHash: computeArtifactHash(wasm),
          getBytes: async () => wasm,
          policyDataTemplateId,
          policyDataInstanceId,
          taskId: computeTaskId(task),
          blockTimestamp,
          input,
          replay: exchanges,
        },
        options,
      )
      return output
    },
  }
}
