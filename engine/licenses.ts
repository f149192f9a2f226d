/**
 * Writes engine/THIRD_PARTY_LICENSES.md: the crates that are compiled into the engine module, with
 * their licences and the texts that have to go with them.
 *
 * `npx tsx engine/licenses.ts`, where a Rust toolchain is present and the crates are fetched.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type Package = {
  id: string
  name: string
  version: string
  license: string | null
  manifest_path: string
}
type Node = { id: string; deps: { pkg: string; dep_kinds: { kind: string | null }[] }[] }
type Metadata = { packages: Package[]; resolve: { nodes: Node[]; root: string } }

const folder = fileURLToPath(new URL('./', import.meta.url))
const metadata = JSON.parse(
  execFileSync(
    'cargo',
    [
      'metadata',
      '--format-version',
      '1',
      '--locked',
      '--filter-platform',
      'wasm32-unknown-unknown',
    ],
    { cwd: folder, maxBuffer: 1 << 28, encoding: 'utf8' },
  ),
) as Metadata

/** Everything that is linked in: no build scripts, no test dependencies. */
function linked({ packages, resolve }: Metadata): Package[] {
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const seen = new Set<string>()
  const waiting = [resolve.root]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (seen.has(id)) continue
    seen.add(id)
    for (const { pkg, dep_kinds: kinds } of nodes.get(id)?.deps ?? []) {
      if (kinds.some(({ kind }) => kind === null)) waiting.push(pkg)
    }
  }
  return packages
    .filter(({ id }) => seen.has(id) && id !== resolve.root)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Licence texts of a crate: MIT or BSD where there is a choice, for they are the shorter ones. */
function texts({ manifest_path: manifest }: Package): string[] {
  const from = dirname(manifest)
  const files = readdirSync(from).filter((file) =>
    /^(licen[cs]e|copying|notice|copyright|unlicense)/i.test(file),
  )
  const short = files.filter((file) => /mit|bsd|unlicense|zlib/i.test(file))
  return (short.length > 0 ? short : files).flatMap((file) => {
    try {
      return [readFileSync(join(from, file), 'utf8').replaceAll('\r\n', '\n').trim()]
    } catch {
      return []
    }
  })
}

const crates = linked(metadata)
const byText = new Map<string, string[]>()
for (const crate of crates) {
  for (const text of texts(crate)) {
    byText.set(text, [...(byText.get(text) ?? []), `${crate.name} ${crate.version}`])
  }
}
const rows = crates.map(
  ({ name, version, license }) => `| ${name} | ${version} | ${license ?? ''} |`,
)
const sections = [...byText].map(
  ([text, names]) => `## ${names.join(', ')}\n\n\`\`\`text\n${text}\n\`\`\``,
)
writeFileSync(
  join(folder, 'THIRD_PARTY_LICENSES.md'),
  `# Third-party licences of the engine module

The WebAssembly module of \`src/eval/rego/engineModule.generated.ts\` is compiled from \`engine/src\` and
these crates. Written by \`engine/licenses.ts\`. newton-regorus is changed by
\`engine/newton-regorus.patch\`.

| crate | version | licence |
|---|---|---|
${rows.join('\n')}

${sections.join('\n\n')}
`,
)
