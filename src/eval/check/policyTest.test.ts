import { describe, expect, test } from 'vitest'
import { runPolicyTests } from './policyTest.js'

const policy = {
  name: 'guard.rego',
  source: `package guard

default allow := false

allow if count(deny) == 0

deny contains "too much" if {
	input.value > data.params.limit
}

deny contains "never tested" if {
	input.from == "0x1"
	input.to == "0x2"
}
`,
}

function tests(source: string): { name: string; source: string } {
  return { name: 'guard_test.rego', source: `package guard_test\n\n${source}` }
}

describe('runPolicyTests', () => {
  test('default: passes, fails, errs and skips, each with its reason', async () => {
    const report = await runPolicyTests({
      modules: [
        policy,
        tests(`test_small if data.guard.allow with input as {"value": 1} with data.params as {"limit": 5}

test_large if data.guard.allow with input as {"value": 9} with data.params as {"limit": 5}

test_error if lower(1) == "1"

todo_test_later if true

test_number := 3

test_prints if {
	print("seen", 1)
}
`),
      ],
    })
    const statuses = report.results.map(({ name, status }) => `${name.split('.').at(-1)} ${status}`)
    expect(statuses).toEqual([
      'test_small passed',
      'test_large failed',
      'test_error error',
      'todo_test_later skipped',
      'test_number failed',
      'test_prints passed',
    ])
    expect(report.results[1]?.message).toBe('is undefined')
    expect(report.results[2]).toMatchObject({ location: { line: 7, file: 'guard_test.rego' } })
    expect(report.results[4]?.message).toBe('is 3')
    expect(report.results[5]?.prints).toEqual(['guard_test.rego:14: seen 1'])
    expect([report.passed, report.failed]).toEqual([2, 3])
  })

  test('behavior: coverage names the lines no test reached', async () => {
    const report = await runPolicyTests({
      modules: [
        policy,
        tests(
          'test_small if data.guard.allow with input as {"value": 1} with data.params.limit as 5\n',
        ),
      ],
    })
    const file = report.coverage.find((one) => one.file === 'guard.rego')
    expect(file?.covered).toContain(8)
    expect(file?.notCovered).toContain(13)
    expect(report.coverageRatio).toBeGreaterThan(0)
    expect(report.coverageRatio).toBeLessThan(1)
  })

  test('behavior: what no test touches is covered by none', async () => {
    const untouched = await runPolicyTests({ modules: [policy, tests('test_nothing if 1 == 1\n')] })
    expect(untouched).toMatchObject({ passed: 1, coverageRatio: 0 })
    const file = untouched.coverage.find((one) => one.file === 'guard.rego')
    expect(file?.covered).toEqual([])
    expect(file?.notCovered.length).toBeGreaterThan(0)
    for (const modules of [[policy], [], [tests('tets_a if 1 == 1\n')]]) {
      const none = await runPolicyTests({ modules })
      expect(none).toMatchObject({ passed: 0, failed: 0, results: [], coverageRatio: 0 })
    }
  })

  test('behavior: only runs the tests asked for', async () => {
    const report = await runPolicyTests({
      modules: [policy, tests('test_a if true\n\ntest_b if true\n')],
      only: 'test_b',
    })
    expect(report.results.map((result) => result.name)).toEqual(['data.guard_test.test_b'])
  })

  test('behavior: a test that does not end is stopped and the next one runs', async () => {
    const report = await runPolicyTests({
      modules: [
        policy,
        tests(`test_endless if {
	r := numbers.range(1, 1000)
	count([1 | some a in r; some b in r; some c in r; a + b + c < 0]) == 0
}

test_after if true
`),
      ],
    })
    expect(report.results.map(({ status }) => status)).toEqual(['error', 'passed'])
    expect(report.results[0]?.message).toContain('steps')
  })

  test('behavior: data and clock are given', async () => {
    const report = await runPolicyTests({
      modules: [
        tests('test_clock if time.now_ns() == 5000000000\n\ntest_data if data.params.x == 1\n'),
      ],
      data: { params: { x: 1 } },
      blockTimestamp: 5n,
    })
    expect(report.passed).toBe(2)
  })

  test('error: RegoSourceError names the file', async () => {
    const broken = { name: 'broken_test.rego', source: 'package broken_test\ntest_a if {' }
    await expect(runPolicyTests({ modules: [policy, broken] })).rejects.toMatchObject({
      code: 'REGO_SOURCE',
      location: { file: 'broken_test.rego' },
    })
  })
})
