/** A member of the data document that has the name of the policy's package. */

const [quote, openBracket, closeBracket, openBrace, closeBrace] = [0x22, 0x5b, 0x5d, 0x7b, 0x7d]

/**
 * @internal Whether the data document has a member where the policy's own rules are: its values would
 * count as theirs. Parses only where the text can have that member, named plainly or escaped.
 */
export function standsInFor(packageName: string, dataJson: string): boolean {
  const first = packageName.split('.', 1)[0] as string
  if (!dataJson.includes('\\') && !namesMember(dataJson, first)) return false
  try {
    const data: unknown = JSON.parse(dataJson)
    return typeof data === 'object' && data !== null && Object.hasOwn(data, first)
  } catch {
    // The engine refuses it, and says where.
    return false
  }
}

/** Whether the outermost object of a JSON text without escapes may have a member of a name. */
function namesMember(json: string, name: string): boolean {
  if (!json.includes(`"${name}"`)) return false
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      const end = json.indexOf('"', at + 1)
      if (end < 0) return false
      if (depth === 1 && end - at - 1 === name.length && json.startsWith(name, at + 1)) return true
      at = end
    } else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
  }
  return false
}
