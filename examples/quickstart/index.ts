import { simulate } from '@newton/policy-sdk/eval'

const rego = new TextEncoder().encode(`package limit
default allow := false
amount := to_number(input.value)
deny contains "over the limit" if amount > 5
allow if { amount <= 5; count(deny) == 0 }`)
const [from, to] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`] as const
const intent = { from, to, value: 7n, data: '0x', chainId: 1n, functionSignature: '0x' } as const

const { allow, reasons } = await simulate({ rego, intent })
console.log(allow, reasons) // false [ 'over the limit' ]
