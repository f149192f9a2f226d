/**
 * The program that verifiers run: `plugin build` as build information writes it down, with the source in
 * the working directory. Prints the plugin and nothing else. It imports as little as it can: each file it
 * loads is part of a toolchain's name.
 */
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { buildPlugin, type PluginFeature } from '../../eval/node/buildPlugin.js'
import { UsageError } from '../errors.js'

const known = new Set(['source', 'world', 'features'])

function optionsOf(words: readonly string[]): Record<string, string> {
  if (words[0] !== 'plugin' || words[1] !== 'build') throw new UsageError('expected plugin build')
  const options: Record<string, string> = {}
  for (const word of words.slice(2)) {
    const [, name = '', value = ''] = /^--([a-z]+)=(.+)$/.exec(word) ?? []
    if (!known.has(name) || name in options) throw new UsageError(`the option ${word} is not known`)
    options[name] = value
  }
  return options
}

const { source = 'plugin.js', world = '0.2', features } = optionsOf(process.argv.slice(2))
const { component } = await buildPlugin(
  {
    source: await readFile(source, 'utf8'),
    world: world as '0.1' | '0.2',
    ...(features === undefined ? {} : { features: features.split(',') as PluginFeature[] }),
    requireReproducible: true,
    shim: process.env['NEWTON_PLUGIN_SHIM'],
  },
  { timeout: 1_200_000 },
)
process.stdout.write(component)
