/**
 * The names that each entry point exports, types included, as `test/fixtures/entryPoints.json` keeps
 * them. `npx tsx test/entryPoints.ts` writes the file after a name was added on purpose.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../', import.meta.url))
const target = fileURLToPath(new URL('fixtures/entryPoints.json', import.meta.url))

/** Source file of every subpath in `exports`. */
export function entrySources(): Record<string, string> {
  const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    exports: Record<string, string | { types: string }>
  }
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([name, entry]) =>
      typeof entry === 'string'
        ? []
        : [[name, entry.types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts')]],
    ),
  )
}

/** The exported names of every entry point, sorted. */
export function entryPointNames(): Record<string, string[]> {
  const entries = Object.entries(entrySources())
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    skipLibCheck: true,
    noEmit: true,
  }
  const program = ts.createProgram(
    entries.map(([, file]) => root + file),
    options,
  )
  const checker = program.getTypeChecker()
  return Object.fromEntries(
    entries.map(([name, file]) => {
      const source = program.getSourceFile(root + file)
      const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source)
      const names = symbol === undefined ? [] : checker.getExportsOfModule(symbol)
      return [name, names.map((each) => each.getName()).sort()]
    }),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(target, `${JSON.stringify(entryPointNames(), null, 2)}\n`)
}
