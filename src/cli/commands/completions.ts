import type { ArgsDef, CommandDef, Resolvable } from 'citty'
import { UsageError } from '../errors.js'
import { command } from '../terminal/command.js'

type Entry = { path: string; words: string[] }

/** The command that prints completion scripts for the tree under `root`. */
export const completions = (root: CommandDef): CommandDef =>
  command({
    name: 'completions',
    example: 'newton-policy completions bash',
    description: 'Print a completion script for bash, zsh, fish or PowerShell',
    args: {
      shell: { type: 'positional', description: 'bash, zsh, fish or powershell', required: true },
    },
    run: async ({ args }) => {
      const entries = await collect(root, '')
      const script = render(args.shell, entries)
      return { data: { shell: args.shell, script }, text: script }
    },
  })

async function collect(node: CommandDef, path: string): Promise<Entry[]> {
  const subCommands = ((await resolve(node.subCommands)) ?? {}) as Record<
    string,
    Resolvable<CommandDef>
  >
  const args = ((await resolve(node.args)) ?? {}) as ArgsDef
  const options = Object.entries(args).flatMap(([name, { type }]) =>
    type === 'positional' ? [] : [`--${name}`],
  )
  const entries: Entry[] = [{ path, words: [...Object.keys(subCommands), ...options] }]
  for (const [name, child] of Object.entries(subCommands)) {
    entries.push(...(await collect((await resolve(child)) as CommandDef, `${path} ${name}`.trim())))
  }
  return entries
}

function render(shell: string, entries: readonly Entry[]): string {
  const cases = entries
    .map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`)
    .join('\n')
  // The trail (zsh reserves `path`) is made of the words before the cursor that are no options.
  const body = `  local trail='' word words=''
  for word in "\${before[@]}"; do case "$word" in -*) ;; *) trail="\${trail:+$trail }$word" ;; esac; done
  case "$trail" in
${cases}
  esac`
  switch (shell) {
    case 'bash':
      return `_newton_policy() {
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${body}
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _newton_policy newton-policy`
    case 'zsh':
      return `#compdef newton-policy
_newton_policy() {
  local before=("\${words[@]:1:$((CURRENT-2))}")
${body.replace("words=''", "candidates=''").replaceAll(") words='", ") candidates='")}
  compadd -- \${=candidates}
}
compdef _newton_policy newton-policy`
    case 'fish':
      return entries
        .flatMap(({ path, words }) =>
          words.map((word) => {
            const condition =
              path === ''
                ? '__fish_use_subcommand'
                : path
                    .split(' ')
                    .map((name) => `__fish_seen_subcommand_from ${name}`)
                    .join('; and ')
            const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
            return `complete -c newton-policy -n '${condition}' ${what}`
          }),
        )
        .join('\n')
    case 'powershell':
      return powershell(entries)
    default:
      throw new UsageError(`There are no completions for ${JSON.stringify(shell)}.`, {
        metaMessages: ['Shells: bash, zsh, fish, powershell.'],
      })
  }
}

function powershell(entries: readonly Entry[]): string {
  const cases = entries
    .map(({ path, words }) => `    '${path}' { '${words.join(' ')}' }`)
    .join('\n')
  return `Register-ArgumentCompleter -Native -CommandName newton-policy -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $trail = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" } |
    Where-Object { $_ -notlike '-*' -and $_ -ne $wordToComplete }) -join ' '
  $words = switch ($trail) {
${cases}
  }
  "$words".Split(' ') | Where-Object { $_ -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}`
}

async function resolve<value>(value: Resolvable<value> | undefined): Promise<value | undefined> {
  return typeof value === 'function' ? (value as () => value | Promise<value>)() : value
}
