import { historiesSuite } from './historiesSuite.js'

// The long form is histories.deep.test.ts.
historiesSuite(40)
