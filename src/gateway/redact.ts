/** Keeps the API key out of everything an error shows. */

/** Takes a secret out of text, also in the form it has in a URL. */
export function redactText(text: string, secret: string | undefined): string {
  if (secret === undefined || secret === '') return text
  return [secret, encodeURIComponent(secret)].reduce(
    (redacted, form) => redacted.replaceAll(form, '[api key]'),
    text,
  )
}

/**
 * Gives an error whose message, stack and causes do not hold the secret: the error itself where
 * they never did, else a plain copy.
 */
export function redactError(error: unknown, secret: string | undefined): unknown {
  if (secret === undefined || secret === '' || !holds(error, secret)) return error
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new Error(redactText(text, secret))
}

function holds(error: unknown, secret: string): boolean {
  const forms = [secret, encodeURIComponent(secret)]
  let current = error
  for (let depth = 0; depth < 16; depth++) {
    const texts =
      current instanceof Error
        ? [current.message, current.stack ?? '', safeJson(current)]
        : [typeof current === 'string' ? current : safeJson(current)]
    // What cannot be looked through is taken to hold it.
    const found = texts.some(
      (text) => text === undefined || forms.some((form) => text.includes(form)),
    )
    if (found) return true
    if (!(current instanceof Error) || current.cause === undefined) return false
    current = current.cause
  }
  return true
}

/** JSON of a value; `undefined` where it cannot be looked through. */
function safeJson(value: unknown): string | undefined {
  try {
    return (
      JSON.stringify(value, (_, member: unknown) => {
        return typeof member === 'bigint' ? member.toString() : member
      }) ?? ''
    )
  } catch {
    return undefined
  }
}
