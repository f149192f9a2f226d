import { crashSuite } from './crashSuite.js'

crashSuite(Number(process.env['STATETREE_KILLS'] ?? 450))
