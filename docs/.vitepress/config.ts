/** The site of the documentation. `npm run docs:dev` and `npm run docs:build`. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DefaultTheme, defineConfig } from 'vitepress'
import llmstxt from 'vitepress-plugin-llms'

const docs = fileURLToPath(new URL('..', import.meta.url))
const repository = 'https://github.com/newt-foundation/newton-policy-sdk'

const pages = (entries: readonly (readonly [string, string])[]): DefaultTheme.SidebarItem[] =>
  entries.map(([text, link]) => ({ text, link }))

/** A page for each entry point, and one for each contract. */
function filesOf(folder: string): DefaultTheme.SidebarItem[] {
  const path = join(docs, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !/README\.md$/.test(file))
    .sort()
    .map((file) => ({
      text: file.replace(/(\/index)?\.md$/, ''),
      link: `/${folder}/${file.replace(/\.md$/, '')}`,
    }))
}

/** Links that leave `docs` go to the repository: on a disk they are files, on the site there are none. */
function repositoryLink(href: string, page: string): string {
  if (/^([a-z]+:|#|\/)/.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const target = join(dirname(join(docs, page)), path)
  if (!relative(docs, target).startsWith('..')) return href
  if (!existsSync(target)) throw new TypeError(`${page} links to ${href}, which is not there`)
  const file = relative(join(docs, '..'), target)
  return `${repository}/blob/main/${file}${anchor === undefined ? '' : `#${anchor}`}`
}

export default defineConfig({
  title: 'Newton policy SDK',
  description: 'On-chain policy storage and attested policy evaluation.',
  lang: 'en',
  cleanUrls: true,
  srcExclude: ['**/README.md'],
  lastUpdated: false,
  markdown: {
    // The highlighter knows no Rego; comments, strings and words are nearly Python's.
    languageAlias: { rego: 'python' },
    config: (md) => {
      md.core.ruler.push('repository-links', (state) => {
        for (const token of state.tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null
          if (href !== null) token.attrSet('href', repositoryLink(href, state.env.relativePath))
        }
      })
    },
  },
  vite: {
    plugins: [
      // The pages in one file: the reference, 3 MB, the contracts and the decisions have a twin each.
      llmstxt({ ignoreFilesPerOutput: { llmsFullTxt: ['reference/**', 'decisions/*', 'contracts/*'] } }),
    ] as never,
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: pages([
      ['Start', '/start'],
      ['Guides', '/guides/write-a-policy'],
      ['Reference', '/reference/index'],
    ]),
    sidebar: [
      { text: 'First', items: pages([['Start', '/start'], ['The first ten minutes', '/first-ten-minutes'], ['Concepts', '/concepts']]) },
      {
        text: 'Guides',
        items: pages([
          ['Write a policy', '/guides/write-a-policy'],
          ['Write a plugin', '/guides/write-a-plugin'],
          ['Deploy on two chains', '/guides/deploy-on-two-chains'],
          ['Verify in a page', '/guides/verify-in-a-page'],
          ['The example page', '/dapp'],
          ['Test without a network', '/guides/test-without-a-network'],
          ['Write a DA adapter', '/guides/write-a-da-adapter'],
          ['Run an operator', '/guides/run-an-operator'],
          ['Run a challenger', '/guides/run-a-challenger'],
          ['Move from the current SDK', '/guides/move-from-the-current-sdk'],
        ]),
      },
      {
        text: 'In depth',
        items: pages([
          ['Registries', '/registry'],
          ['Data availability', '/da'],
          ['State tree', '/statetree'],
          ['Evaluation', '/evaluation'],
          ['Plugins', '/plugins'],
          ['Attestation', '/attestation'],
          ['Enclaves', '/enclave'],
          ['Enclave applications', '/enclave-apps'],
          ['Provenance of plugins', '/provenance'],
          ['Ledger', '/ledger'],
          ['Operators', '/operator'],
          ['Command line', '/cli'],
        ]),
      },
      {
        text: 'Operations',
        items: pages([
          ['Running the roles', '/operations/roles'],
          ['Gateway', '/operations/gateway'],
          ['Ledger', '/operations/ledger'],
          ['Alerts', '/operations/alerts'],
          ['Requirements', '/operations/requirements'],
          ['Requirements of provenance', '/operations/provenance-requirements'],
        ]),
      },
      {
        text: 'Ledger',
        items: pages([
          ['Served', '/ledger/serve'],
          ['Witnesses and anchors', '/ledger/witnesses'],
          ['Audit', '/ledger/audit'],
          ['One evaluation, offline', '/ledger/verify-offline'],
          ['Compliance', '/ledger/compliance'],
          ['What is checked', '/ledger/checks'],
        ]),
      },
      {
        text: 'Look up',
        items: pages([
          ['Errors', '/errors'],
          ['Security model', '/security'],
          ['Performance', '/performance'],
          ['Gas', '/gas'],
          ['Platforms and sizes', '/platforms'],
        ]),
      },
      { text: 'Entry points', collapsed: true, items: filesOf('reference') },
      { text: 'Contracts', collapsed: true, items: filesOf('contracts') },
      { text: 'Decisions', collapsed: true, items: filesOf('decisions') },
    ],
  },
})
