/**
 * Counters, gauges and histograms in memory, printed in the Prometheus text format 0.0.4.
 *
 * Nothing is global: a registry is an object its owner passes around. Values that arrive through
 * hooks are recorded here by whoever wants them scraped.
 */
import { InvalidInputError } from '../errors/common.js'

/** Label names and values of one series. */
export type MetricLabels = Readonly<Record<string, string>>

/** A value that only grows. */
export type Counter = { inc(labels?: MetricLabels, by?: number): void }

/** A value that goes up and down. */
export type Gauge = { set(value: number, labels?: MetricLabels): void }

/** A distribution over fixed buckets. */
export type Histogram = { observe(value: number, labels?: MetricLabels): void }

/** A set of metrics that is scraped together. */
export type MetricsRegistry = {
  counter(name: string, help: string): Counter
  gauge(name: string, help: string): Gauge
  /** `buckets` are upper bounds, ascending, without the infinite one. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram
  /** Value of one counter or gauge series; 0 where it was never written. */
  value(name: string, labels?: MetricLabels): number
  /** All series in the Prometheus text format. */
  text(): string
}

type Series = { labels: MetricLabels; value: number; buckets?: number[]; count?: number }
type Family = {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  bounds: readonly number[]
  series: Map<string, Series>
}

/**
 * Creates an empty set of metrics. Asking twice for one name gives the same metric; asking for it
 * as another type is an error.
 *
 * @example
 * ```ts
 * import { createMetricsRegistry } from '@newton/policy-sdk'
 *
 * const metrics = createMetricsRegistry()
 * metrics.counter('reads_total', 'Reads.').inc({ source: 'file' })
 * metrics.text()
 * ```
 */
export function createMetricsRegistry(): MetricsRegistry {
  const families = new Map<string, Family>()
  return {
    counter: (name, help) =>
      counterOf(familyIn(families, { name, help, type: 'counter', bounds: [] })),
    gauge: (name, help) => gaugeOf(familyIn(families, { name, help, type: 'gauge', bounds: [] })),
    histogram: (name, help, buckets) =>
      histogramOf(familyIn(families, { name, help, type: 'histogram', bounds: buckets })),
    value(name, labels = {}) {
      return families.get(name)?.series.get(labelText(labels))?.value ?? 0
    },
    text() {
      return [...families.values()].map(familyText).join('')
    },
  }
}

function familyIn(families: Map<string, Family>, wanted: Omit<Family, 'series'>): Family {
  const { name, type } = wanted
  const existing = families.get(name)
  if (existing) {
    if (existing.type !== type) {
      throw new InvalidInputError({
        field: 'name',
        reason: `${name} is already a ${existing.type}`,
      })
    }
    return existing
  }
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) {
    throw new InvalidInputError({ field: 'name', reason: `${name} is not a metric name` })
  }
  const created: Family = { ...wanted, series: new Map() }
  families.set(name, created)
  return created
}

function seriesOf(of: Family, labels: MetricLabels): Series {
  const key = labelText(labels)
  let series = of.series.get(key)
  if (!series) {
    series = { labels, value: 0 }
    if (of.type === 'histogram') {
      series.buckets = of.bounds.map(() => 0)
      series.count = 0
    }
    of.series.set(key, series)
  }
  return series
}

function counterOf(of: Family): Counter {
  return {
    inc(labels = {}, by = 1) {
      if (!(by >= 0)) throw new InvalidInputError({ field: 'by', reason: 'a counter only grows' })
      seriesOf(of, labels).value += by
    },
  }
}

function gaugeOf(of: Family): Gauge {
  return {
    set(value, labels = {}) {
      seriesOf(of, labels).value = value
    },
  }
}

function histogramOf(of: Family): Histogram {
  return {
    observe(value, labels = {}) {
      const series = seriesOf(of, labels)
      series.value += value
      series.count = (series.count ?? 0) + 1
      of.bounds.forEach((bound, index) => {
        if (value <= bound && series.buckets)
          series.buckets[index] = (series.buckets[index] ?? 0) + 1
      })
    },
  }
}

function familyText(of: Family): string {
  const lines = [`# HELP ${of.name} ${escapeHelp(of.help)}`, `# TYPE ${of.name} ${of.type}`]
  for (const series of of.series.values()) {
    if (of.type !== 'histogram') {
      lines.push(`${of.name}${labelText(series.labels)} ${numberText(series.value)}`)
      continue
    }
    of.bounds.forEach((bound, index) => {
      const labels = labelText({ ...series.labels, le: numberText(bound) })
      lines.push(`${of.name}_bucket${labels} ${series.buckets?.[index] ?? 0}`)
    })
    lines.push(
      `${of.name}_bucket${labelText({ ...series.labels, le: '+Inf' })} ${series.count ?? 0}`,
    )
    lines.push(`${of.name}_sum${labelText(series.labels)} ${numberText(series.value)}`)
    lines.push(`${of.name}_count${labelText(series.labels)} ${series.count ?? 0}`)
  }
  return `${lines.join('\n')}\n`
}

function labelText(labels: MetricLabels): string {
  const names = Object.keys(labels).sort()
  if (names.length === 0) return ''
  const pairs = names.map((name) => {
    const value = String(labels[name])
      .replace(/\\/g, '\\\\')
      .replace(/"/g, '\\"')
      .replace(/\n/g, '\\n')
    return `${name}="${value}"`
  })
  return `{${pairs.join(',')}}`
}

function escapeHelp(help: string): string {
  return help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
