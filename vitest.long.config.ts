/**
 * The longest suites, named `*.long.test.ts`: every command and every kill, by the processes that users run.
 * `npm run test:long`, before a release; a few of each are in `npm test` and `npm run test:deep`.
 */
import deep from './vitest.deep.config.js'

export default { ...deep, test: { ...deep.test, include: ['test/**/*.long.test.ts'] } }
