import { describe, expect, test } from 'vitest'
import { createMetricsRegistry } from './metrics.js'

describe('createMetricsRegistry', () => {
  test('prints the text format', () => {
    const metrics = createMetricsRegistry()
    const requests = metrics.counter('requests_total', 'Requests.\nAll of them.')
    requests.inc({ path: 'a"b\\c\nd', code: '200' })
    requests.inc({ code: '200', path: 'a"b\\c\nd' }, 2)
    metrics.gauge('depth', 'Depth.').set(-1.5)
    const seconds = metrics.histogram('seconds', 'Seconds.', [0.1, 1])
    for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value)
    expect(metrics.text()).toBe(
      [
        '# HELP requests_total Requests.\\nAll of them.',
        '# TYPE requests_total counter',
        'requests_total{code="200",path="a\\"b\\\\c\\nd"} 3',
        '# HELP depth Depth.',
        '# TYPE depth gauge',
        'depth -1.5',
        '# HELP seconds Seconds.',
        '# TYPE seconds histogram',
        'seconds_bucket{le="0.1"} 2',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="+Inf"} 4',
        'seconds_sum 7.65',
        'seconds_count 4',
        '',
      ].join('\n'),
    )
  })
  test('refuses what would make a page unreadable', () => {
    const metrics = createMetricsRegistry()
    metrics.counter('a_total', 'A.')
    expect(() => metrics.gauge('a_total', 'A.')).toThrow(/already a counter/)
    expect(() => metrics.gauge('not a name', 'A.')).toThrow(/not a metric name/)
    expect(() => metrics.counter('a_total', 'A.').inc({}, -1)).toThrow(/only grows/)
  })
})
