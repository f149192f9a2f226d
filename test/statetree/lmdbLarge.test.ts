import { lmdbLargeSuite } from './lmdbLargeSuite.js'

// The long form is lmdbLarge.deep.test.ts.
lmdbLargeSuite(3_000)
