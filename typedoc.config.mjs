/** The reference: one page for each entry point of the package. `npm run docs:reference`. */
import { readFileSync } from 'node:fs'

const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))

export default {
  entryPoints: Object.values(exports).flatMap((entry) =>
    typeof entry === 'string'
      ? []
      : [entry.types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts')],
  ),
  entryPointStrategy: 'resolve',
  tsconfig: 'tsconfig.build.json',
  plugin: ['typedoc-plugin-markdown'],
  out: 'docs/reference',
  outputFileStrategy: 'modules',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  readme: 'none',
  gitRevision: 'main',
  sourceLinkTemplate:
    'https://github.com/newt-foundation/newton-policy-sdk/blob/{gitRevision}/{path}#L{line}',
  excludeInternal: true,
  excludePrivate: true,
  // Properties of inferred types would be thousands; public functions are held to it elsewhere.
  validation: { notDocumented: false, invalidLink: true, notExported: false },
  treatWarningsAsErrors: true,
  // Anchors that are written out: a site's own rule for the ids of headings is not TypeDoc's.
  useHTMLAnchors: true,
  logLevel: 'Warn',
}
