"""What is wrong with the words of a command line, in the reader's language: argparse itself speaks English."""

import argparse
import re
import sys
from typing import Any, NoReturn

from .commands import chinese

_LANGUAGE = re.compile(r"(?<!\S)--lang(?:uage)?[ =](\w+)")
_CHINESE = tuple(
    (re.compile(english), zh)
    for english, zh in (
        (r"the following arguments are required: (.+)", r"缺少参数：\1"),
        (r"argument (.+?): invalid choice: (.+?) \(choose from (.+)\)", r"参数 \1：没有 \2，可用的有 \3"),
        (r"argument (.+?): invalid int value: (.+)", r"参数 \1：\2 不是整数"),
        (r"argument (.+?): invalid \w+ value: (.+)", r"参数 \1：\2 的写法不对"),
        (r"argument (.+?): (.+) is not a whole number from 1", r"参数 \1：\2 不是 1 或更大的整数"),
        (r"argument (.+?): expected one argument", r"参数 \1：后面要写一个值"),
        (r"argument (.+?): expected at least one argument", r"参数 \1：后面至少要写一个值"),
        (r"ambiguous option: (.+) could match (.+)", r"参数 \1 不明确，可能是 \2"),
        (r"unrecognized arguments: (.+)", r"没有这样的参数：\1"),
    )
)


class Parser(argparse.ArgumentParser):
    """Those of its commands are of this class too."""

    _words: str = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._words = " ".join(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        asked = _LANGUAGE.search(self._words)
        if not chinese(argparse.Namespace(language=asked and asked[1])):
            super().error(message)
        self.print_usage(sys.stderr)
        told = next(
            (found.expand(zh) for english, zh in _CHINESE if (found := english.fullmatch(message))), message
        )
        self.exit(2, f"{self.prog}：{told}\n")
