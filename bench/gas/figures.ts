/** The measured figures that pages quote, kept in a file: pages are written from it, never by hand. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { EigenLayerGas } from './eigenlayer.js'
import type { GasItems } from './items.js'
import type { ProxyModelRow } from './proxyModel.js'

export type GasFigures = {
  proxyModel: readonly ProxyModelRow[]
  /** By call. */
  items: Readonly<Record<string, GasItems>>
  eigenLayer: EigenLayerGas
}

/** Where they are. */
export const figuresPath: string = fileURLToPath(new URL('figures.json', import.meta.url))

/** Reads them. */
export function readGasFigures(): GasFigures {
  return JSON.parse(readFileSync(figuresPath, 'utf8')) as GasFigures
}

const text = (value: number): string => value.toLocaleString('en')

/** The registries beside the proxy model, as Markdown. */
export function proxyModelTable(rows: readonly ProxyModelRow[]): string {
  return [
    '| work | registries | plain proxies | ratio | transparent proxies | ratio |',
    '|---|---:|---:|---:|---:|---:|',
    ...rows.map(({ name, ours, plain, transparent }) => {
      const [low, high] = [(plain / ours).toFixed(1), (transparent / ours).toFixed(1)]
      return `| ${name} | ${text(ours)} | ${text(plain)} | ${low} | ${text(transparent)} | ${high} |`
    }),
  ].join('\n')
}

/** A certificate's check beside EigenLayer's, as Markdown. */
export function eigenLayerTable({ commit, rows }: EigenLayerGas): string {
  return [
    `Their commit ${commit.slice(0, 7)}.`,
    '',
    '| absent | ours, used | theirs, used | ratio | first with a table | ours, estimate | theirs, estimate | ratio |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...rows.map(({ absent, ours, theirs, theirsFirst }) => {
      const [used, estimate] = [ours.used / theirs.used, ours.estimate / theirs.estimate]
      const cells = [
        ...[absent, text(ours.used), text(theirs.used), used.toFixed(3), text(theirsFirst.used)],
        ...[text(ours.estimate), text(theirs.estimate), estimate.toFixed(3)],
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

/** Calls itemized, as Markdown: a column each, which adds up to its last line. */
export function itemsTable(calls: GasFigures['items'], names: readonly string[]): string {
  const columns = names.map((name) => {
    const found = calls[name]
    if (found === undefined)
      throw new TypeError(`no items of ${name}: npm run bench:gas -- --write`)
    return found
  })
  const kinds = [...new Set(columns.flatMap(({ items }) => Object.keys(items)))]
  const most = (kind: string): number =>
    Math.max(...columns.map(({ items }) => items[kind]?.gas ?? 0))
  kinds.sort((a, b) => most(b) - most(a))
  const cell = (kind: string, { items }: GasItems): string => {
    const item = items[kind]
    if (item === undefined) return ''
    return item.count === 1 || kind.startsWith('work')
      ? text(item.gas)
      : `${text(item.gas)} (${item.count})`
  }
  return [
    `| what | ${names.join(' | ')} |`,
    `|---|${names.map(() => '---:|').join('')}`,
    ...kinds.map((kind) => `| ${kind} | ${columns.map((of) => cell(kind, of)).join(' | ')} |`),
    `| all | ${columns.map(({ gas }) => text(gas)).join(' | ')} |`,
  ].join('\n')
}
