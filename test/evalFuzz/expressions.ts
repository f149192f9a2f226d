/** Random Rego expressions, of a wanted type most of the time. */
import type { Random } from './random.js'

export type Kind = 'number' | 'string' | 'boolean' | 'array' | 'object' | 'set'

/** What is in scope: variables and rules by kind, and functions by number of arguments. */
export type Scope = {
  variables: readonly { name: string; kind: Kind }[]
  rules: readonly { name: string; kind: Kind }[]
  functions: readonly { name: string; arguments: number }[]
}

const kinds: readonly Kind[] = ['number', 'string', 'boolean', 'array', 'object', 'set']

const literals: Readonly<Record<Kind, readonly string[]>> = {
  number: [
    '0',
    '1',
    '2',
    '3',
    '-1',
    '2.5',
    '100',
    '1e3',
    '9007199254740993',
    '18446744073709551615',
  ],
  string: [
    '""',
    '"a"',
    '"b"',
    '"eth"',
    '"0xAbC"',
    '"a/b/c"',
    '"10.0.0.0/8"',
    '`raw\\d`',
    '"é日本"',
  ],
  boolean: ['true', 'false'],
  array: ['[]', '[1, 2, 3]', '["a", "b"]', '[[1, "a"], [2, "b"]]', 'numbers.range(1, 4)'],
  object: ['{}', '{"a": 1, "b": 2}', '{"eth": {"a": [1, 2]}}', '{1: "x", "k": null}'],
  set: ['set()', '{1, 2, 3}', '{"a", "b"}', '{"eth", 5}'],
}

const reads: Readonly<Record<Kind, readonly string[]>> = {
  number: [
    ...['input.value', 'input.chain_id', 'data.params.max', 'data.wasm.score'],
    ...['data.params.limits.eth', 'data.params.limits["usdc"]', 'input.items[0].score'],
  ],
  string: [
    ...['input.from', 'input.to', 'input.function.name', 'data.params.name', 'input.args[0]'],
    ...['input.items[1].name', 'data.wasm.by.k3', 'data.params.names[0]'],
  ],
  boolean: ['data.params.flag', 'input.missing', 'data.wasm.by.k1'],
  array: ['input.items', 'input.args', 'data.params.names', 'data.params.table', 'data.wasm.items'],
  object: ['input', 'input.function', 'data.params', 'data.params.limits', 'data.wasm.by'],
  set: ['{x | some x in data.params.names}', '{x.name | some x in input.items}'],
}

/** Calls by the kind they give; `$n`, `$s`, `$a`, `$o`, `$t`, `$x` stand for arguments. */
const calls: Readonly<Record<Kind, readonly string[]>> = {
  number: [
    ...['count($a)', 'count($s)', 'count($o)', 'count($t)', 'sum([1, $n])', 'product([2, $n])'],
    ...['max([$n, $n])', 'min([$n, $n])', 'abs($n)', 'round($n)', 'ceil($n)', 'floor($n)'],
    ...['to_number($s)', 'bits.and($n, 7)', 'bits.lsh($n, 3)', 'indexof($s, "a")'],
    ...['$n + $n', '$n - $n', '$n * $n', '$n / $n', '$n % $n', 'units.parse_bytes("1KB")'],
    ...[
      'time.parse_rfc3339_ns("2024-02-29T12:00:00Z")',
      'time.add_date(1709210096000000000, $n, 0, 0)',
    ],
    ...['strings.count($s, "a")', 'semver.compare("1.2.3", $s)'],
  ],
  string: [
    ...['lower($s)', 'upper($s)', 'concat(",", $a)', 'concat("/", [$s, $s])', 'trim($s, "a")'],
    ...['sprintf("%s-%d", [$s, $n])', 'sprintf("%v", [$x])', 'format_int($n, 16)'],
    ...[
      'substring($s, 0, 2)',
      'replace($s, "a", "b")',
      'trim_prefix($s, "0x")',
      'strings.reverse($s)',
    ],
    ...[
      'json.marshal($x)',
      'base64.encode($s)',
      'hex.encode($s)',
      'type_name($x)',
      'trim_space($s)',
    ],
    ...[
      'strings.replace_n({"a": "b"}, $s)',
      'urlquery.encode($s)',
      'time.weekday(1709210096000000000)',
    ],
  ],
  boolean: [
    ...['startswith($s, "0x")', 'contains($s, "a")', 'endswith($s, $s)', 'is_string($x)'],
    ...['is_number($x)', 'is_array($x)', 'is_null($x)', 'regex.match("^[a-z]+$", $s)', '$x in $a'],
    ...[
      '$x in $t',
      '$s, $x in $o',
      'glob.match("*", ["/"], $s)',
      'net.cidr_contains("10.0.0.0/8", $s)',
    ],
    ...[
      '$n < $n',
      '$n >= $n',
      '$x == $x',
      '$x != $x',
      'object.subset($o, $o)',
      'semver.is_valid($s)',
    ],
    ...['json.is_valid($s)', 'strings.any_prefix_match($s, $a)', 'any([true, $b])'],
  ],
  array: [
    ...['array.concat($a, $a)', 'array.slice($a, 0, 2)', 'array.reverse($a)', 'split($s, "/")'],
    ...['sort($a)', 'sort($t)', '[x | some x in $a]', '[y | some x in $a; y := [x, $n]]'],
    ...[
      '[v | some v in $o]',
      '[p | walk($o, [p, _])]',
      'object.keys($o)',
      'numbers.range(1, $n % 7)',
    ],
    ...['[[k, v] | some k, v in $o]', 'regex.split("/", $s)', 'json.unmarshal("[1, 2]")'],
  ],
  object: [
    ...['object.union($o, $o)', 'object.remove($o, ["a"])', 'object.filter($o, ["a", "eth"])'],
    ...['{k: v | some k, v in $o}', '{x: count(input.items) | some x in $a}', '{"n": $n, "s": $s}'],
    ...['json.filter($o, ["a"])', 'json.remove($o, ["a/b"])', 'object.get($o, "a", {})'],
    ...['{x.name: x.score | some x in input.items}', 'json.unmarshal("{\\"a\\": 1}")'],
  ],
  set: [
    ...['{x | some x in $a}', '$t | $t', '$t & $t', '$t - $t', 'union({$t, $t})'],
    ...['intersection({$t, $t})', '{k | some k, _ in $o}', '{p | walk($o, [p, _])}'],
  ],
}

const placeholders: Readonly<Record<string, Kind | undefined>> = {
  $n: 'number',
  $s: 'string',
  $b: 'boolean',
  $a: 'array',
  $o: 'object',
  $t: 'set',
}

/** An expression of `kind`, or of another one now and then. */
export function expression(random: Random, scope: Scope, kind: Kind, depth = 2): string {
  const wanted = random.chance(5) ? random.pick(kinds) : kind
  const named = [...scope.variables, ...scope.rules].filter((one) => one.kind === wanted)
  const roll = random.below(100)
  if (roll < 25 && named.length > 0) return random.pick(named).name
  if (depth === 0 || roll < 45) return random.pick(reads[wanted])
  if (roll < 58) return random.pick(literals[wanted])
  if (roll < 66 && scope.functions.length > 0) {
    const called = random.pick(scope.functions)
    const given = Array.from({ length: called.arguments }, () =>
      expression(random, scope, random.pick(kinds), depth - 1),
    )
    return `${called.name}(${given.join(', ')})`
  }
  return random.pick(calls[wanted]).replaceAll(/\$[a-z]/g, (place) => {
    const inner = expression(random, scope, placeholders[place] ?? random.pick(kinds), depth - 1)
    return / [-+*/%|&<>=!]|^-| in /.test(inner) && !/^[[{"`]|^[\w.]+\(/.test(inner)
      ? `(${inner})`
      : inner
  })
}
