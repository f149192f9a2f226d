import { bitFlipsSuite } from './bitFlipsSuite.js'

// The long form is bitFlips.deep.test.ts.
bitFlipsSuite(50)
