import { windowsSuite } from './windowsSuite.js'

windowsSuite(Number(process.env['STATETREE_WINDOWS'] ?? 200))
