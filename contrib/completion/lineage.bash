# SPDX-License-Identifier: Apache-2.0
# Completion of lineage(1) for bash: verbs and options are those that the program's own help names, so that they are
# those of the version that is installed. For zsh: `autoload -U bashcompinit && bashcompinit`, then read this file.

_lineage()
{
    local word="${COMP_WORDS[COMP_CWORD]}" verb="${COMP_WORDS[1]}" program="${COMP_WORDS[0]}" known="" i help
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        known="$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\)  *[^ ].*/\1/p') help --help --version"
    elif [ "$verb" = help ]; then
        [ "$COMP_CWORD" -ne 2 ] || known="$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\)  *[^ ].*/\1/p')"
    else
        for ((i = 2; i < COMP_CWORD; i++)); do
            if [ "${COMP_WORDS[i]}" = -- ]; then # a command follows: words of its own
                ! declare -F _command_offset >/dev/null || _command_offset $((i + 1))
                return
            fi
        done
        help="$("$program" "$verb" --help 2>/dev/null)"
        if [[ "$word" == -* ]]; then
            known="$(grep -oE -- '--[a-z][a-z0-9-]*' <<<"$help") --help"
        elif [ "$COMP_CWORD" -eq 2 ]; then # words below a verb: "lineage deadletter retry|drop ..."
            known="$(sed -n "s/.*lineage $verb \([a-z][a-z|-]*\).*/\1/p" <<<"$help" | tr '|' ' ')"
        fi
    fi
    # shellcheck disable=SC2207 # words without blanks
    COMPREPLY=($(compgen -W "$known" -- "$word"))
}

complete -o default -o bashdefault -F _lineage lineage
