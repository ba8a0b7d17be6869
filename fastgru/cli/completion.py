"""A script by which bash, zsh or fish completes the commands and options of fastgru."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

Parsers = Mapping[str, argparse.ArgumentParser]
EXAMPLE = "fastgru completion bash > ~/.local/share/bash-completion/completions/fastgru"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=sorted(SCRIPTS), help="whose script is printed")


def run(options: argparse.Namespace) -> None:
    print("\n".join(SCRIPTS[options.shell](options.commands)))


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]


def _words(parser: argparse.ArgumentParser) -> str:
    """All that may stand behind a command: its options, and what an argument can be."""
    options = _options(parser)
    arguments = [action for action in parser._actions if action not in options]
    choices = [str(choice) for action in arguments for choice in action.choices or ()]
    return " ".join([*choices, *(name for action in options for name in action.option_strings)])


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    formatter = parser._get_formatter()
    return formatter._expand_help(action) if action.help else ""


def _bash(parsers: Parsers) -> Iterator[str]:
    yield "_fastgru() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" words='
    yield "    if [[ $COMP_CWORD == 1 ]]; then"
    yield f'        words="{" ".join(parsers)} --help --version"'
    yield "    else"
    yield '        case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]}" in'
    for command, parser in parsers.items():
        for action in _options(parser):
            if action.nargs == 0:
                continue
            names = "|".join(f"{command}:{name}" for name in action.option_strings)
            yield f'            {names}) words="{" ".join(map(str, action.choices or ()))}" ;;'
        yield f'            {command}:*) words="{_words(parser)}" ;;'
    yield "        esac"
    yield "    fi"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")'
    yield "}"
    yield "complete -o default -F _fastgru fastgru"  # default: files, where no word fits


def _zsh(parsers: Parsers) -> Iterator[str]:
    def text(words: str) -> str:
        return words.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")

    yield "#compdef fastgru"
    yield "_fastgru() {"
    yield "    local -a commands=("
    yield from (f"        '{name}:{text(parser.description or '')}'" for name, parser in parsers.items())
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield "    local command=$words[2]"
    yield "    shift words; (( CURRENT-- ))"
    yield "    case $command in"
    for command, parser in parsers.items():
        yield f"        {command}) _arguments \\"
        for action in parser._actions:
            values = f"({' '.join(map(str, action.choices))})" if action.choices else "_files"
            value = "" if action.nargs == 0 else f":{text(str(action.metavar or action.dest))}:{values}"
            for name in action.option_strings:
                yield f"            '{name}[{text(_help(action, parser))}]{value}' \\"
            if not action.option_strings:
                yield f"            '{value}' \\"
        yield "            ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ $funcstack[1] == _fastgru ]]; then _fastgru "$@"; else compdef _fastgru fastgru; fi'


def _fish(parsers: Parsers) -> Iterator[str]:
    def text(words: str) -> str:
        return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"

    for command, parser in parsers.items():
        yield f"complete -c fastgru -n __fish_use_subcommand -f -a {command} -d {text(parser.description or '')}"
        condition = f"-n '__fish_seen_subcommand_from {command}'"
        for action in parser._actions:
            choices = text(" ".join(map(str, action.choices))) if action.choices else ""
            about = f"-d {text(_help(action, parser))}"
            if not action.option_strings:
                if choices:
                    yield f"complete -c fastgru {condition} -f -a {choices} {about}"
                continue
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in action.option_strings
            )
            value = "" if action.nargs == 0 else f"-x -a {choices}" if choices else "-r"
            yield " ".join(filter(None, ["complete -c fastgru", condition, names, value, about]))


SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
