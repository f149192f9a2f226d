import {
  createPluginRuntime,
  createSchemaValidator,
  operatorEngine,
  simulate,
} from '@newton/policy-sdk/eval'
import { nodePluginWorkers } from '@newton/policy-sdk/eval/node'

const rego = new TextEncoder().encode(`package limit
default allow := false
deny contains "over the limit" if input.value > 5
allow if count(deny) == 0`)
const [from, to] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`] as const
const intent = { from, to, value: 7n, data: '0x', chainId: 1n, functionSignature: '0x' } as const

const plugins = createPluginRuntime({ workers: nodePluginWorkers() })
const tools = { engine: operatorEngine(), schemas: createSchemaValidator(), plugins }
const { allow, reasons } = await simulate({ rego, intent }, tools)
console.log(allow, reasons) // false [ 'over the limit' ]
