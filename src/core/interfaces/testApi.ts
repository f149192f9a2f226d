/** The part of a test framework that conformance suites use. Vitest and Jest have it. */
export type TestApi = {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>): void
  expect(actual: unknown): {
    toBe(expected: unknown): void
    toEqual(expected: unknown): void
    rejects: { toMatchObject(expected: object): Promise<void> }
  }
}
