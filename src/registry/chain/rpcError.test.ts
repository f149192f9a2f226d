import { createClient, custom, HttpRequestError, TimeoutError } from 'viem'
import { describe, expect, test } from 'vitest'
import { readTag } from './read.js'

const said = async (thrown: unknown): Promise<string> => {
  const transport = custom(
    {
      request: async () => {
        throw thrown
      },
    },
    { retryCount: 0 },
  )
  const error = await readTag(createClient({ transport }), 'latest').catch((one: unknown) => one)
  expect(error).toMatchObject({ code: 'RPC_FAILED', retryable: true })
  return (error as { shortMessage: string }).shortMessage
}
const url = 'http://127.0.0.1:1'

describe('a request that failed', () => {
  test.each([
    ['a code', Object.assign(new Error('no state'), { code: -32_000 })],
    ['a status', new HttpRequestError({ url, status: 503, details: 'Service Unavailable' })],
  ])('error: RPC_FAILED says that the node answered, with %s', async (_name, thrown) => {
    expect(await said(thrown)).toBe(
      'The node answered with an error when it was asked for the latest block.',
    )
  })

  test.each([
    ['nothing', new TypeError('fetch failed')],
    ['no connection', new HttpRequestError({ url, details: 'fetch failed' })],
    ['a system code', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })],
  ])('error: RPC_FAILED says that it did not, with %s', async (_name, thrown) => {
    expect(await said(thrown)).toBe('The node did not answer the latest block.')
  })

  test('error: RPC_FAILED says that it was too late', async () => {
    expect(await said(new TimeoutError({ body: {}, url }))).toBe(
      'The node did not answer in time when it was asked for the latest block.',
    )
  })
})
