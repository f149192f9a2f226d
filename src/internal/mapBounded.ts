/** Maps in order, with at most `limit` under way at once. The first failure is thrown. */
export async function mapBounded<from, to>(
  list: readonly from[],
  limit: number,
  work: (one: from) => Promise<to>,
): Promise<to[]> {
  const results: to[] = new Array(list.length)
  const rest = list.entries()
  const worker = async (): Promise<void> => {
    for (const [index, one] of rest) results[index] = await work(one)
  }
  await Promise.all(Array.from({ length: limit }, worker))
  return results
}
