import { lmdbLargeSuite } from './lmdbLargeSuite.js'

lmdbLargeSuite(Number(process.env['STATETREE_LMDB_KEYS'] ?? 30_000))
