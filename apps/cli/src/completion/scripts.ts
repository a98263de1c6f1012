/** What each shell is told: ask `drydock __complete`, and offer what it says. Lines are `word<tab>about`; `:file` means files. */

const BASH = `# bash completion for drydock:  source <(drydock completion bash)
_drydock() {
  local line also="" words=()
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :file) also=file ;;
      *) words+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(drydock __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  local typed="\${COMP_WORDS[COMP_CWORD]}"
  for line in "\${words[@]}"; do
    [[ "$line" == "$typed"* ]] && COMPREPLY+=("$line")
  done
  if [[ "$also" == file ]]; then
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$typed")
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _drydock drydock
`;

const ZSH = `#compdef drydock
# zsh completion for drydock:  source <(drydock completion zsh)
_drydock() {
  local line also="" words_found=()
  while IFS= read -r line; do
    case "$line" in
      :file) also=file ;;
      *) words_found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done < <(drydock __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#words_found} )) && _describe drydock words_found
  [[ "$also" == file ]] && _files
}
compdef _drydock drydock
`;

const FISH = `# fish completion for drydock:  drydock completion fish | source
function __drydock_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (drydock __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ":file"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c drydock -f -a '(__drydock_complete)'
`;

const POWERSHELL = `# PowerShell completion for drydock:  drydock completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName drydock -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($wordToComplete -eq '') { $words += '' }
  drydock __complete '--' @words 2>$null | ForEach-Object {
    if ($_ -ne ':file') {
      $word, $about = $_ -split "\`t", 2
      if (-not $about) { $about = $word }
      [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
  }
}
`;

export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
};
