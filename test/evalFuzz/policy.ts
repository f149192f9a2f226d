/** Random policies: every construct of the language, most of them well typed, some not. */
import { expression, type Kind, type Scope } from './expressions.js'
import type { Random } from './random.js'

const kinds: readonly Kind[] = ['number', 'string', 'boolean', 'array', 'object', 'set']

/** A rule under way: the statements of its body bring names into scope. */
type Body = { scope: Scope; fresh: () => string; random: Random }

function bring(body: Body, kind: Kind): string {
  const name = body.fresh()
  body.scope = { ...body.scope, variables: [...body.scope.variables, { name, kind }] }
  return name
}

function modifier(random: Random, { functions }: Scope): string {
  const all = [
    'with input.value as 5',
    'with input as {"items": [], "value": 1}',
    'with data.params.max as 50',
    'with data.params as {"max": 1, "names": ["a"]}',
    'with input.items as [{"name": "a", "score": 1}]',
    'with count as 3',
    ...functions.map(({ name }) => `with ${name} as "mocked"`),
  ]
  return random.pick(all)
}

function statement(body: Body): string {
  const { random } = body
  const of = (kind: Kind, depth = 2): string => expression(random, body.scope, kind, depth)
  const any = (): string => of(random.pick(kinds))
  switch (random.below(17)) {
    case 0:
    case 1:
      return `${of('number')} ${random.pick(['<', '<=', '>', '>=', '==', '!='])} ${of('number')}`
    case 2:
      return of('boolean')
    case 3:
      return `not ${of('boolean')}`
    case 4:
    case 5: {
      const kind = random.pick(kinds)
      const value = of(kind)
      return `${bring(body, kind)} := ${value}`
    }
    case 6: {
      const from = of('array', 1)
      return `some ${bring(body, random.pick(kinds))} in ${from}`
    }
    case 7: {
      const from = of('object', 1)
      return `some ${bring(body, 'string')}, ${bring(body, random.pick(kinds))} in ${from}`
    }
    case 8: {
      const from = of('array', 1)
      const name = body.fresh()
      const inner: Body = { ...body, scope: withVariable(body.scope, name, random.pick(kinds)) }
      return `every ${name} in ${from} {\n\t\t${statement(inner)}\n\t}`
    }
    case 9: {
      const from = of('object', 1)
      const path = body.fresh()
      const value = body.fresh()
      body.scope = withVariable(body.scope, value, random.pick(kinds))
      return `walk(${from}, [${path}, ${value}])\n\tcount(${path}) < 3`
    }
    case 10:
      return `${random.pick(['input.items[_].score', 'data.wasm.items[_].score'])} > ${of('number', 1)}`
    case 11: {
      const index = bring(body, 'number')
      return `input.items[${index}].name == ${of('string', 1)}`
    }
    case 12:
      return `[${bring(body, 'number')}, ${bring(body, 'string')}] = ${of('array', 1)}`
    case 13:
      return `${any()} == ${any()} ${modifier(random, body.scope)}`
    case 14:
      return `${of('boolean')} ${modifier(random, body.scope)}`
    case 15:
      return `${of('string')} in ${random.pick([of('array', 1), of('set', 1)])}`
    default:
      return `count(${of(random.pick(['array', 'object', 'set']))}) ${random.pick(['>', '=='])} ${random.below(3)}`
  }
}

function withVariable(scope: Scope, name: string, kind: Kind): Scope {
  return { ...scope, variables: [...scope.variables, { name, kind }] }
}

function body(random: Random, scope: Scope): { text: string; scope: Scope } {
  let counter = scope.variables.length
  const state: Body = { scope, random, fresh: () => `v${counter++}` }
  const lines = Array.from({ length: 1 + random.below(3) }, () => `\t${statement(state)}`)
  return { text: `{\n${lines.join('\n')}\n}`, scope: state.scope }
}

function completeRule(random: Random, scope: Scope, { name, kind }: Named): string {
  const lines: string[] = []
  if (random.chance(50))
    lines.push(`default ${name} := ${random.pick(['false', '0', '[]', '"d"'])}`)
  if (random.chance(25)) {
    lines.push(`${name} := ${expression(random, scope, kind)}`)
    return lines.join('\n\n')
  }
  for (let times = random.chance(25) ? 2 : 1; times > 0; times--) {
    const first = body(random, scope)
    let rule = `${name} := ${expression(random, first.scope, kind, 1)} if ${first.text}`
    if (random.chance(30)) {
      const second = body(random, scope)
      rule += ` else := ${expression(random, second.scope, kind, 1)} if ${second.text}`
    }
    lines.push(rule)
  }
  return lines.join('\n\n')
}

type Named = { name: string; kind: Kind }

function partialRule(random: Random, scope: Scope, { name, kind }: Named): string {
  const { text, scope: inner } = body(random, scope)
  if (kind === 'set') {
    const value = expression(random, inner, random.pick(['string', 'number']), 1)
    return `${name} contains ${value} if ${text}`
  }
  const key = expression(random, inner, 'string', 1)
  return `${name}[${key}] := ${expression(random, inner, random.pick(kinds), 1)} if ${text}`
}

function functionRule(random: Random, scope: Scope, name: string): { text: string; count: number } {
  const count = 1 + random.below(2)
  const names = ['a', 'b'].slice(0, count)
  const inner = names.reduce((held, one) => withVariable(held, one, random.pick(kinds)), scope)
  const lines: string[] = []
  if (random.chance(20)) lines.push(`default ${name}(${names.map(() => '_').join(', ')}) := "d"`)
  for (let times = 1 + random.below(2); times > 0; times--) {
    const { text, scope: last } = body(random, inner)
    const head = random.chance(15) ? ['"eth"', ...names.slice(1)] : names
    const value = expression(random, last, random.pick(kinds), 1)
    lines.push(`${name}(${head.join(', ')}) := ${value} if ${text}`)
  }
  return { text: lines.join('\n\n'), count }
}

/** The source of a policy with `allow`, mostly with `deny`, and rules they may read. */
export function policyFrom(random: Random): string {
  const packageName = random.pick(['p', 'guard', 'a.b', 'p'])
  const parts = [`package ${packageName}`]
  let scope: Scope = { variables: [], rules: [], functions: [] }
  for (let index = 1 + random.below(5); index > 0; index--) {
    const name = random.chance(12) ? `cfg.r${index}` : `r${index}`
    if (random.chance(30)) {
      const made = functionRule(random, scope, `f${index}`)
      parts.push(made.text)
      const functions = [...scope.functions, { name: `f${index}`, arguments: made.count }]
      scope = { ...scope, functions }
      continue
    }
    const partial = random.chance(40)
    const kind: Kind = partial ? random.pick(['set', 'object']) : random.pick(kinds)
    const make = partial ? partialRule : completeRule
    parts.push(make(random, scope, { name, kind }))
    if (partial && random.chance(40)) parts.push(make(random, scope, { name, kind }))
    scope = { ...scope, rules: [...scope.rules, { name, kind }] }
  }
  const denies = random.chance(80)
  if (denies) {
    for (let times = 1 + random.below(3); times > 0; times--) {
      parts.push(partialRule(random, scope, { name: 'deny', kind: 'set' }))
    }
    scope = { ...scope, rules: [...scope.rules, { name: 'deny', kind: 'set' }] }
  }
  if (random.chance(85)) parts.push('default allow := false')
  if (denies && random.chance(50)) parts.push('allow if count(deny) == 0')
  else parts.push(`allow if ${body(random, scope).text}`)
  return `${parts.join('\n\n')}\n`
}
