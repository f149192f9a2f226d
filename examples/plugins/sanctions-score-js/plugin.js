// The plugin of ../sanctions-score in JavaScript: same input, same request, same output.
// Build: npx tsx examples/plugins/sanctions-score-js/build.ts
import { fetch } from 'newton:provider/http@0.2.0'
import { get } from 'newton:provider/secrets@0.2.0'

export function run(input) {
  const { address, _newton } = JSON.parse(input)
  if (!/^0x[0-9a-f]{40}$/i.test(address)) throw 'address is not 20 bytes of hex'
  const endpoint = _newton?.params?.endpoint
  if (typeof endpoint !== 'string') throw 'params.endpoint is missing'
  const { apiKey } = JSON.parse(new TextDecoder().decode(get().value))

  const asked = address.toLowerCase()
  const response = fetch({
    url: `${endpoint.replace(/\/+$/, '')}/v1/addresses/${asked}`,
    method: 'GET',
    headers: [
      ['accept', 'application/json'],
      ['x-api-key', apiKey],
    ],
    body: undefined,
  })
  if (response.status !== 200) throw `risk service: status ${response.status}`
  const answer = JSON.parse(new TextDecoder().decode(response.body))
  if (String(answer.address).toLowerCase() !== asked)
    throw 'risk service: the answer is for another address'
  const { score, listed } = answer
  if (!Number.isInteger(score) || score < 0 || score > 100)
    throw 'risk service: no score from 0 to 100'
  if (typeof listed !== 'boolean') throw 'risk service: no `listed`'
  return JSON.stringify({ sanctions: { address: asked, score, listed } })
}
