/** The checks of a backend behind which nothing answers any more. */
import type { DaClient, DaOptions } from '../../core/interfaces/daClient.js'
import { isPolicySdkError } from '../../errors/base.js'
import type { AddCase } from './cases.js'
import { broken, failure, require, sampleBytes } from './contract.js'

/** A call of the backend, by its name. */
type Call = [name: string, run: (io: DaOptions) => Promise<unknown>]

export function addStalled<client extends DaClient>(
  add: AddCase<client>,
  { stall, patience }: { stall: (client: client) => void | Promise<void>; patience: number },
): void {
  const callsOf = async (client: client): Promise<Call[]> => {
    const bytes = sampleBytes(64, 28)
    const { locator, artifactHash } = await client.put(bytes)
    await stall(client)
    const { head, renew } = client
    const calls: Call[] = [
      ['get', (io) => client.get(locator, { ...io, artifactHash })],
      ['getWithVerification', (io) => client.getWithVerification(locator, artifactHash, io)],
      ['put', (io) => client.put(sampleBytes(64, 29), io)],
    ]
    if (head) calls.push(['head', (io) => head.call(client, locator, { ...io, artifactHash })])
    if (renew) calls.push(['renew', (io) => renew.call(client, locator, bytes, io)])
    return calls
  }
  const ended = async (name: string, call: Promise<unknown>): Promise<unknown> => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(broken(`\`${name}\` went on after its end`)), patience)
    })
    try {
      return await Promise.race([call, late])
    } finally {
      clearTimeout(timer)
    }
  }
  add('ends when the time is up', async (client) => {
    for (const [name, call] of await callsOf(client)) {
      const ending = call({ timeout: 50 })
      // A question may also be answered with "unknown"; bytes cannot.
      if (name === 'head')
        await ended(
          name,
          ending.catch(() => undefined),
        )
      else {
        const error = await ended(name, failure(ending))
        require(isPolicySdkError(error), `\`${name}\` did not fail with a typed error`)
      }
    }
  })
  add('ends when the caller leaves', async (client) => {
    for (const [name, call] of await callsOf(client)) {
      const controller = new AbortController()
      const reason = new DOMException('left', 'AbortError')
      const ending = ended(name, failure(call({ signal: controller.signal })))
      controller.abort(reason)
      require((await ending) === reason, `the rejection of \`${name}\` is not the signal’s reason`)
    }
  })
}
