// The scripts ask `vitrail completion line|words` and hand over what it says: first what files belong there (none,
// files, folders), then the word that is being completed, then a candidate a line, a tab and its description.

#include "completion.h"

namespace vitrail::cli {

const char* const kBashCompletion =
    R"(# vitrail: completion for bash. Put into ~/.bashrc:  source <(vitrail completion bash)
_vitrail() {
  local lines files word breaks= prefix= line candidate nospace=1
  COMPREPLY=()
  mapfile -t lines < <("${COMP_WORDS[0]}" completion line -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  files=${lines[0]-} word=${lines[1]-}
  # readline sees a new word behind each of these: only what follows the last one is replaced
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
  [[ -n $breaks ]] && prefix=${word%"${word##*[$breaks]}"}
  for line in "${lines[@]:2}"; do
    candidate=${line%%$'\t'*}
    [[ $candidate == *[:=] ]] || nospace=
    candidate=${candidate#"$prefix"}
    [[ $candidate == *[^A-Za-z0-9_.,:=/@%+-]* ]] && printf -v candidate %q "$candidate"
    COMPREPLY+=("$candidate")
  done
  case $files in
    files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${word#"$prefix"}") ;;
    folders) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "${word#"$prefix"}") ;;
  esac
  [[ $files != none ]] && compopt -o filenames 2>/dev/null
  [[ -n $nospace && ${#lines[@]} -gt 2 ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _vitrail vitrail
)";

const char* const kZshCompletion = R"(#compdef vitrail
# vitrail: completion for zsh. Put into ~/.zshrc, behind compinit:  source <(vitrail completion zsh)
_vitrail() {
  local -a lines whole open whole_text open_text
  local line candidate
  lines=("${(@f)$("${(Q)words[1]}" completion words -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  for line in "${(@)lines[3,-1]}"; do
    candidate=${line%%$'\t'*}
    [[ -n $candidate ]] || continue
    if [[ $candidate == *[:=] ]]; then
      open+=("$candidate")
      open_text+=("$candidate${${line#*$'\t'}:+  ${line#*$'\t'}}")
    else
      whole+=("$candidate")
      whole_text+=("$candidate${${line#*$'\t'}:+  ${line#*$'\t'}}")
    fi
  done
  (( ${#whole} )) && compadd -M 'm:{a-zA-Z}={A-Za-z}' -l -d whole_text -a whole
  (( ${#open} )) && compadd -S '' -l -d open_text -a open
  [[ $lines[1] == files ]] && _files
  [[ $lines[1] == folders ]] && _files -/
  return 0
}
(( $+functions[compdef] )) && compdef _vitrail vitrail
)";

const char* const kFishCompletion =
    R"(# vitrail: completion for fish. Once:  vitrail completion fish > ~/.config/fish/completions/vitrail.fish
function __vitrail_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] completion words -- $words "$current" 2>/dev/null)
    if test (count $lines) -gt 2
        printf '%s\n' $lines[3..-1]
    end
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current"
    end
end
complete -c vitrail -f -a '(__vitrail_complete)'
)";

}  // namespace vitrail::cli
