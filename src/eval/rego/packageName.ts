/** Which names a policy's package may have. */
import { RegoRefusedError } from '../errors.js'
import type { RegoInspection } from './inspection.js'

/** First segments a package may not have: they are the data documents a policy reads. */
const reservedPackages: readonly string[] = ['params', 'wasm', 'secrets']
/** Words that the engine's parser takes in no path after a dot. */
const keywords: ReadonlySet<string> = new Set(
  'as default else every false if import in not null package some true with'.split(' '),
)

/** The package's path, or why it is refused: there has to be one, and it is no data document. */
export function checkPackage(inspection: RegoInspection): string {
  const module = inspection.modules[0]
  const path = module?.package ?? []
  const first = path[0]
  if (module === undefined || first === undefined) {
    throw new RegoRefusedError({ refusal: 'package', reason: 'it has no package' })
  }
  if (reservedPackages.includes(first)) {
    throw new RegoRefusedError({
      refusal: 'package',
      reason: `its package starts with "${first}", the name of a data document`,
      location: { file: module.file, line: module.line, column: module.column },
      hint: `Rename the package: ${reservedPackages.join(', ')} are taken.`,
    })
  }
  // Operators ask for the package by its path, in which a keyword does not parse.
  const keyword = path.find((segment) => keywords.has(segment))
  if (keyword !== undefined) {
    throw new RegoRefusedError({
      refusal: 'package',
      reason: `its package has "${keyword}" in its name, a keyword of Rego`,
      location: { file: module.file, line: module.line, column: module.column },
      hint: `Rename the package: operators cannot ask for data.${path.join('.')}.`,
    })
  }
  return path.join('.')
}
