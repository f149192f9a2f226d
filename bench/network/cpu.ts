/** What processes have used of the cores, which holds on a busy machine too. */
import { readFileSync } from 'node:fs'

/** Clock ticks of `/proc` a second. */
const TICKS = 100

/** Milliseconds of CPU that a process has used. */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS
}
