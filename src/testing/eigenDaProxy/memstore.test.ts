import { describe, expect, test } from 'vitest'
import { createFakeEigenDaProxy } from './fakeProxy.js'
import type { FakeEigenDaProxyOptions } from './state.js'

// Answers of the proxy itself in memory mode, v2.7.0, and of the JSON decoder of its language.
const url = 'http://proxy.test'
const std = '?commitment_mode=standard'

function open(options: FakeEigenDaProxyOptions = {}) {
  const proxy = createFakeEigenDaProxy(options)
  const call = async (method: string, path: string, body?: string) => {
    const init = body === undefined ? { method } : { method, body }
    const response = await proxy.fetch(`${url}${path}`, init)
    const bytes = new Uint8Array(await response.arrayBuffer())
    return { status: response.status, bytes, text: new TextDecoder().decode(bytes) }
  }
  const patch = (body: string) => call('PATCH', '/memstore/config', body)
  const put = async (text: string) =>
    Buffer.from((await call('POST', `/put${std}`, text)).bytes).toString('hex')
  const config = async () => JSON.parse((await call('GET', '/config')).text)
  const memstore = async () => JSON.parse((await call('GET', '/memstore/config')).text)
  return { call, patch, put, config, memstore }
}

describe('certificates', () => {
  test('default: another version byte before the same certificate does not parse', async () => {
    const { call, put } = open()
    const hex = await put('hello')
    expect(hex.slice(0, 2)).toBe('03')
    expect(await call('GET', `/get/0x${hex}${std}`)).toMatchObject({ status: 200, text: 'hello' })
    expect(await call('GET', `/get/0x02${hex.slice(2)}${std}`)).toMatchObject({
      status: 418,
      text: '{"StatusCode":1,"Msg":""}\n',
    })
    expect(await call('GET', `/get/0x01${hex.slice(2)}${std}`)).toMatchObject({ status: 500 })
  })
  test('behavior: the older version under the newer byte does not parse either', async () => {
    const { call, put } = open({ certVersion: 3 })
    const hex = await put('hello')
    expect(hex.slice(0, 2)).toBe('02')
    expect(await call('GET', `/get/0x${hex}${std}`)).toMatchObject({ status: 200 })
    expect(await call('GET', `/get/0x03${hex.slice(2)}${std}`)).toMatchObject({ status: 418 })
  })
})

describe('configuration', () => {
  test('default: names no version of certificates and no verifier, and lists in its own order', async () => {
    const { config, memstore } = open({ apis: ['standard', 'op-keccak', 'op-generic'] })
    expect(await memstore()).toMatchObject({ CertVersion: 0, MaxBlobSizeBytes: 16_777_216 })
    expect(await config()).toMatchObject({
      cert_verifier_address: '',
      apis_enabled: ['op-generic', 'op-keccak', 'standard'],
      max_payload_size_bytes: 16_252_897,
    })
    expect(await open({ certVersion: 3 }).memstore()).toMatchObject({ CertVersion: 3 })
  })
  test('behavior: a lower limit of the memory store does not show in /config', async () => {
    const { config, memstore, patch } = open()
    expect((await patch('{"MaxBlobSizeBytes":131072}')).status).toBe(200)
    expect(await memstore()).toMatchObject({ MaxBlobSizeBytes: 131_072 })
    expect(await config()).toMatchObject({ max_payload_size_bytes: 16_252_897 })
    const lower = open({ config: { maxBlobSizeBytes: 131_072 } })
    expect(await lower.config()).toMatchObject({ max_payload_size_bytes: 126_945 })
  })
  test('behavior: a status that no derivation error has ends the connection', async () => {
    for (const error of ['{"StatusCode":9,"Msg":"x","Reset":false}', '{"Msg":"x"}']) {
      const { patch, memstore } = open()
      await expect(
        patch(`{"GetLatency":"1ms","NullableDerivationError":${error}}`),
      ).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
      // What the handler did before it panicked stays done.
      expect(await memstore()).toMatchObject({
        GetLatency: '1ms',
        OverwritePutWithDerivationError: null,
      })
    }
  })
  test.each([
    ['', 'EOF'],
    ['  ', 'EOF'],
    ['{', 'unexpected EOF'],
    ['nul', 'unexpected EOF'],
    ['-', 'unexpected EOF'],
    ['1.', 'unexpected EOF'],
    ['[]', 'json: cannot unmarshal array into Go value of type memconfig.ConfigUpdate'],
    ['1', 'json: cannot unmarshal number into Go value of type memconfig.ConfigUpdate'],
    ['01', 'json: cannot unmarshal number into Go value of type memconfig.ConfigUpdate'],
    ['"x"', 'json: cannot unmarshal string into Go value of type memconfig.ConfigUpdate'],
    ['nulx', "invalid character 'x' in literal null (expecting 'l')"],
    ['{"a"}', "invalid character '}' after object key"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u00zz"', "invalid character 'z' in \\u hexadecimal character escape"],
    ['-a', "invalid character 'a' in numeric literal"],
    ['1.a', "invalid character 'a' after decimal point in numeric literal"],
    ['1ex', "invalid character 'x' in exponent of numeric literal"],
    ["'", "invalid character '\\'' looking for beginning of value"],
    ['{"PutLatency":"abc"}', 'time: invalid duration "abc"'],
    ['{"PutLatency":5}', unmarshal('number', 'PutLatency of type string')],
    ['{"putlatency":5}', unmarshal('number', 'PutLatency of type string')],
    ['{"PutLatency":true}', unmarshal('bool', 'PutLatency of type string')],
    ['{"PutLatency":{}}', unmarshal('object', 'PutLatency of type string')],
    ['{"MaxBlobSizeBytes":-5}', unmarshal('number -5', 'MaxBlobSizeBytes of type uint64')],
    ['{"MaxBlobSizeBytes":1.5}', unmarshal('number 1.5', 'MaxBlobSizeBytes of type uint64')],
    ['{"MaxBlobSizeBytes":"5"}', unmarshal('string', 'MaxBlobSizeBytes of type uint64')],
    ['{"PutReturnsFailoverError":1}', unmarshal('number', 'PutReturnsFailoverError of type bool')],
    [
      '{"NullableDerivationError":1}',
      unmarshal('number', 'NullableDerivationError of type memconfig.NullableDerivationError'),
    ],
  ])('error: %j', async (body, text) => {
    const { patch, memstore } = open()
    const before = await memstore()
    expect(await patch(body)).toMatchObject({ status: 400, text: `${text}\n` })
    expect(await memstore()).toEqual(before)
  })
  test('behavior: one value is read, and members that are not known are passed over', async () => {
    const { patch } = open()
    for (const body of ['null', '{}', '{"Foo":1}', '{}x']) {
      expect((await patch(body)).status).toBe(200)
    }
  })
})

function unmarshal(kind: string, field: string): string {
  return `json: cannot unmarshal ${kind} into Go struct field ConfigUpdate.${field}`
}
