/** One thing that was looked at. */
export type Finding = {
  what: string
  ok: boolean
  level: 'error' | 'warning'
  detail: string
  fix: string
}
