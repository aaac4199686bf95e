import { type Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What may follow a command: `path` is its words, each after a space; '' is the program itself. */
interface Place {
  readonly path: string;
  readonly words: readonly string[];
}

/** A script for this shell. Words are those of the commands' own definitions. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, '');
  switch (shell) {
    case 'bash':
      return bash(places);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(places)}`;
    case 'fish':
      return fish(places);
  }
}

function placesOf(command: Command, path: string): Place[] {
  const names = command.commands.map((sub) => sub.name());
  const flags = command.options.flatMap(({ long }) => long ?? []);
  const below = command.commands.flatMap((sub) => placesOf(sub, `${path} ${sub.name()}`));
  return [{ path, words: [...names, ...flags, '--help'] }, ...below];
}

function bash(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== '').map(({ path }) => `"${path}"`);
  return `_hermes() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${known.join('|')}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${places.map(({ path, words }) => `    "${path}") COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$cur")) ;;`).join('\n')}
  esac
}
complete -o default -F _hermes hermes
`;
}

function fish(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  return `function __hermes_words
  set -l path ''
  for word in (commandline -opc)[2..-1]
    switch "$path $word"
      case ${known.join(' ')}
        set path "$path $word"
    end
  end
  switch "$path"
${places.map(({ path, words }) => `    case '${path}'\n      printf '%s\\n' ${words.join(' ')}`).join('\n')}
  end
end
complete -c hermes -a '(__hermes_words)'
`;
}
