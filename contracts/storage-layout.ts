/**
 * Writes the storage layouts of the upgradeable contracts, from the compiler's syntax tree.
 *
 * Storage is in ERC-7201 namespaces, which the compiler's own layout output leaves out. Each is a
 * struct marked `@custom:storage-location erc7201:<name>`; what counts is the order and the types of
 * its members, those of the structs they hold included.
 *
 * `npx tsx contracts/storage-layout.ts` writes `contracts/snapshots/storage.json`; with `--check` it
 * exits 1 when a namespace is gone, a member was changed, moved or removed, or a slot constant is
 * not the namespace's. Appended members are fine, once the file is written again.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { encodeAbiParameters, keccak256, stringToHex, toHex } from 'viem'

type AstNode = {
  nodeType: string
  id: number
  name?: string
  documentation?: { text: string } | null
  nodes?: AstNode[]
  members?: AstNode[]
  typeDescriptions?: { typeString: string }
  canonicalName?: string
  constant?: boolean
  value?: { value?: string } | null
}
type Layout = { slot: string; members: string[] }
type Layouts = Record<string, Layout>
type Compiler = { compile(input: string): string }

const root = fileURLToPath(new URL('..', import.meta.url))
const snapshot = join(root, 'contracts/snapshots/storage.json')
const check = process.argv.includes('--check')

/** The sources under `contracts/src` and everything they import, by path from the root. */
function readSources(): Record<string, { content: string }> {
  const sources: Record<string, { content: string }> = {}
  const add = (path: string): void => {
    if (sources[path] !== undefined) return
    const content = readFileSync(join(root, path), 'utf8')
    sources[path] = { content }
    for (const [, target] of content.matchAll(/\b(?:from|import)\s+"([^"]+)"/g)) {
      if (target === undefined) continue
      add(target.startsWith('.') ? posix.join(dirname(path), target) : `node_modules/${target}`)
    }
  }
  const files = readdirSync(join(root, 'contracts/src'), { recursive: true, encoding: 'utf8' })
  for (const file of files) if (file.endsWith('.sol')) add(`contracts/src/${file}`)
  return sources
}

/** The syntax trees of our own sources. */
function parse(): AstNode[] {
  const compiler = createRequire(import.meta.url)('solc') as Compiler
  const prefixes = ['@openzeppelin/contracts/', '@openzeppelin/contracts-upgradeable/']
  const output = JSON.parse(
    compiler.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: readSources(),
        settings: {
          evmVersion: 'cancun',
          remappings: prefixes.map((prefix) => `${prefix}=node_modules/${prefix}`),
          outputSelection: { '*': { '': ['ast'] } },
        },
      }),
    ),
  ) as {
    errors?: { severity: string; formattedMessage: string }[]
    sources: Record<string, { ast: AstNode }>
  }
  const failure = output.errors?.find(({ severity }) => severity === 'error')
  if (failure !== undefined) {
    process.stderr.write(failure.formattedMessage)
    process.exit(1)
  }
  return Object.entries(output.sources)
    .filter(([path]) => path.startsWith('contracts/src/'))
    .map(([, { ast }]) => ast)
}

/** `keccak256(abi.encode(uint256(keccak256(name)) - 1)) & ~0xff`. */
function slotOf(name: string): string {
  const inner = BigInt(keccak256(stringToHex(name))) - 1n
  const outer = BigInt(keccak256(encodeAbiParameters([{ type: 'uint256' }], [inner])))
  return toHex(outer & ~0xffn, { size: 32 })
}

function collect(trees: AstNode[]): { layouts: Layouts; wrong: string[] } {
  const structs = new Map<string, AstNode>()
  const marked: { name: string; struct: AstNode; within: AstNode }[] = []
  const constants = new Map<AstNode, string[]>()
  const visit = (node: AstNode, within: AstNode): void => {
    for (const child of node.nodes ?? []) {
      const scope = child.nodeType === 'ContractDefinition' ? child : within
      if (child.nodeType === 'StructDefinition') {
        structs.set(child.canonicalName ?? '', child)
        const name = child.documentation?.text.match(/erc7201:(\S+)/)?.[1]
        if (name !== undefined) marked.push({ name, struct: child, within: scope })
      }
      const literal = child.constant === true ? child.value?.value : undefined
      if (literal !== undefined) constants.set(scope, [...(constants.get(scope) ?? []), literal])
      visit(child, scope)
    }
  }
  for (const tree of trees) visit(tree, tree)

  const describe = (struct: AstNode, above: readonly string[]): string[] =>
    (struct.members ?? []).map((member) => {
      const type = member.typeDescriptions?.typeString ?? ''
      const held = [...type.matchAll(/struct ([\w.]+)/g)].map(([, held]) => held ?? '')
      const inner = held
        .filter((name) => !above.includes(name))
        .map((name) => {
          const found = structs.get(name)
          return found === undefined ? '' : ` { ${describe(found, [...above, name]).join('; ')} }`
        })
      return `${type}${inner.join('')} ${member.name ?? ''}`
    })

  const layouts: Layouts = {}
  const wrong: string[] = []
  for (const { name, struct, within } of marked.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const slot = slotOf(name)
    if (!(constants.get(within) ?? []).includes(slot)) {
      wrong.push(`${within.name ?? ''}: no constant is ${slot}, the slot of ${name}`)
    }
    layouts[name] = { slot, members: describe(struct, []) }
  }
  return { layouts, wrong }
}

/** What of `before` is no longer so in `after`. Names of members do not matter. */
function differences(before: Layouts, after: Layouts): string[] {
  const typeOf = (member: string | undefined): string =>
    (member ?? 'nothing').replace(/ \w+(?=$|;| \})/g, '')
  return Object.entries(before).flatMap(([name, { members }]) => {
    const now = after[name]
    if (now === undefined) return [`${name}: the namespace is gone`]
    return members.flatMap((member, index) =>
      typeOf(member) === typeOf(now.members[index])
        ? []
        : [`${name}: member ${index} was ${member}, is ${now.members[index] ?? 'nothing'}`],
    )
  })
}

const { layouts, wrong } = collect(parse())
const stored = existsSync(snapshot)
  ? (JSON.parse(readFileSync(snapshot, 'utf8')) as Layouts)
  : undefined
const problems = [...wrong, ...(stored === undefined ? [] : differences(stored, layouts))]
const text = `${JSON.stringify(layouts, null, 2)}\n`
if (check) {
  if (stored === undefined || readFileSync(snapshot, 'utf8') !== text) {
    problems.push(`${snapshot} is not up to date`)
  }
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.exit(problems.length === 0 ? 0 : 1)
}
writeFileSync(snapshot, text)
for (const problem of problems) process.stderr.write(`changed: ${problem}\n`)
