import { historiesSuite } from './historiesSuite.js'

historiesSuite(Number(process.env['STATETREE_HISTORIES'] ?? 1_000))
