/**
 * What is believed of a run: what went over the wires and what is on the chain, never a process's own word.
 */
import type { Hex } from 'viem'
import { computeMessageHash, decodeResponse } from '../../src/core/response.js'
import { computeTaskId, decodeTask } from '../../src/core/task.js'
import type { VerifiedTask } from '../../src/operator/index.js'
import type { Exchange } from './proxy.js'

export type Recorder = ReturnType<typeof createRecorder>

export function createRecorder() {
  /** Message hashes by operator's link and task: two of one are an equivocation. */
  const signed = new Map<string, Set<Hex>>()
  /** Commitments to outputs, and signatures of commits, likewise. */
  const outputs = new Map<string, Set<string>>()
  const statements = new Map<string, Set<string>>()
  /** Message hashes of answers by task. */
  const answers = new Map<Hex, Set<Hex>>()
  const failures: Record<string, number> = {}
  const counts = { exchanges: 0, shares: 0, answered: 0, failed: 0, refused: 0 }

  const add = <value>(map: Map<string, Set<value>>, key: string, value: value): void => {
    const known = map.get(key) ?? new Set<value>()
    map.set(key, known.add(value))
  }
  return {
    counts,
    failures,
    onExchange({ link, body, answer }: Exchange): void {
      counts.exchanges++
      try {
        const call = JSON.parse(body) as { method: string; params: Record<string, unknown> }
        const said = JSON.parse(answer) as { result?: Record<string, unknown>; error?: unknown }
        if (said.result === undefined) {
          counts.refused++
          return
        }
        if (call.method === 'newt_evaluateAndSign') {
          const taskId = computeTaskId(decodeTask(call.params['task'] as Hex))
          const response = decodeResponse(said.result['response'] as Hex)
          add(signed, `${link} ${taskId}`, computeMessageHash(response))
          counts.shares++
        }
        if (call.method === 'newt_fetchPolicyData') {
          const taskId = computeTaskId(decodeTask(call.params['task'] as Hex))
          add(outputs, `${link} ${taskId}`, JSON.stringify(said.result['hashes']))
        }
        if (call.method === 'newt_signStateCommit') {
          const { commit } = call.params['proposal'] as { commit: Record<string, string> }
          const key = `${link} ${commit['sequenceNo']} ${commit['timestamp']}`
          add(statements, key, JSON.stringify(said.result))
        }
      } catch {
        // What a lying link makes of an answer is no statement of an operator.
      }
    },
    onAnswer({ taskId, response }: VerifiedTask): void {
      counts.answered++
      add(answers as Map<string, Set<Hex>>, taskId, computeMessageHash(response))
    },
    onFailure(error: unknown): void {
      counts.failed++
      const { code = 'UNKNOWN', fault, failure } = error as Record<string, string | undefined>
      const name = [code, fault ?? failure].filter((part) => part !== undefined).join(' ')
      failures[name] = (failures[name] ?? 0) + 1
    },
    /** What must never be. */
    violations(): string[] {
      const two = <value>(what: string, map: Map<string, Set<value>>): string[] =>
        [...map].flatMap(([key, values]) =>
          values.size > 1 ? [`${what}: ${key} has ${values.size}`] : [],
        )
      return [
        ...two('a response signed twice', signed),
        ...two('outputs committed to twice', outputs),
        ...two('a commit signed twice', statements),
        ...two('a task answered twice', answers as Map<string, Set<Hex>>),
      ]
    },
  }
}
