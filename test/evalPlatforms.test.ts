import { platformSuite } from './support/platformSuite.js'

// The long form, with a JavaScript plugin and in Chromium, is evalPlatforms.deep.test.ts.
platformSuite({ javaScript: false })
