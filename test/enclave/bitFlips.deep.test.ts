import { bitFlipsSuite } from './bitFlipsSuite.js'

bitFlipsSuite(500)
