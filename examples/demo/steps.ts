/** Runs the steps of the demo one after another and keeps what each did and how long it took. */

type Step = { title: string; result: string; milliseconds: number }

/** A failed check of the demo: what was expected did not happen. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure'
}

/** Fails the running step unless `condition` holds. */
export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new DemoFailure(otherwise)
}

/** Runs steps and prints them. */
export type Steps = {
  /** Runs one step. `work` returns its value and a line that says what came out. */
  run: <value>(
    title: string,
    work: () => Promise<{ value: value; result: string }>,
  ) => Promise<value>
  table: () => string
}

export function createSteps(print: (line: string) => void): Steps {
  const done: Step[] = []
  return {
    run: async (title, work) => {
      const start = performance.now()
      try {
        const { value, result } = await work()
        const milliseconds = performance.now() - start
        done.push({ title, result, milliseconds })
        print(
          `${String(done.length).padStart(2)}. ${title}\n    ${result} (${seconds(milliseconds)})`,
        )
        return value
      } catch (error) {
        print(
          `${String(done.length + 1).padStart(2)}. ${title}\n    FAILED after ${seconds(performance.now() - start)}`,
        )
        throw error
      }
    },
    table: () => {
      const width = Math.max(...done.map(({ title }) => title.length))
      const rows = done.map(
        ({ title, milliseconds }, index) =>
          `${String(index + 1).padStart(2)}  ${title.padEnd(width)}  ok  ${seconds(milliseconds).padStart(8)}`,
      )
      const total = done.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
      return [...rows, `    ${'total'.padEnd(width)}      ${seconds(total).padStart(8)}`].join('\n')
    },
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`
}
