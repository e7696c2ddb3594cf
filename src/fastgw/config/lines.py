"""Where in a TOML text each key stands: the standard parser gives values, people need line numbers."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")  # the blank: a date and a time
_SPACE = " \t\r\n"


def key_lines(text: str) -> dict[Path, int]:
    """Line number, from 1, of each key, table and array element of `text`, which must be valid TOML."""
    return _Scanner(text).scan()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest thing around it; 0 if nothing is known."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


class _Scanner:
    """Walks over text that the real parser has accepted: it need not judge, only keep the place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}  # how many elements an array of tables has so far

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _move(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _skip(self) -> bool:
        """Pass blanks, newlines and comments; is anything left?"""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "#":
                end = self.text.find("\n", self.at)
                self._move((end if end >= 0 else len(self.text)) - self.at)
            elif character in _SPACE:
                self._move(1)
            else:
                return True
        return False

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.line)

    def _header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        self._move(2 if double else 1)
        keys = self._keys()
        self._skip()
        self._move(2 if double else 1)
        path: Path = ()
        for position, key in enumerate(keys):
            path += (key,)
            self._note(path)
            last = position == len(keys) - 1
            if double and last:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path += (self.counts[path] - 1,)
                self._note(path)
        return path

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip()
            character = self.text[self.at]
            if character in "\"'":
                keys.append(self._string())
            else:
                found = _BARE.match(self.text, self.at)
                assert found is not None
                keys.append(found.group())
                self._move(len(found.group()))
            self._skip()
            if self.text[self.at] != ".":
                return keys
            self._move(1)

    def _pair(self, table: Path) -> None:
        line = self.line
        path = table
        for key in self._keys():
            path += (key,)
            self.lines.setdefault(path, line)
        self._move(1)  # the equals sign
        self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        character = self.text[self.at]
        if character in "\"'":
            self._string()
        elif character == "[":
            self._array(path)
        elif character == "{":
            self._inline(path)
        else:
            found = _SCALAR.match(self.text, self.at)
            assert found is not None
            self._move(len(found.group()))

    def _array(self, path: Path) -> None:
        self._move(1)
        index = 0
        while self._skip() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self._move(1)
                continue
            self._note((*path, index))
            self._value((*path, index))
            index += 1
        self._move(1)

    def _inline(self, path: Path) -> None:
        self._move(1)
        while self._skip() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self._move(1)
                continue
            self._pair(path)
        self._move(1)

    def _string(self) -> str:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        at = self.at + len(mark)
        while not self.text.startswith(mark, at):
            at += 2 if quote == '"' and self.text[at] == "\\" else 1
        inside = self.text[self.at + len(mark) : at]
        at += len(mark)
        while len(mark) == 3 and self.text.startswith(quote, at):
            at += 1  # quotes right before the closing mark belong to the text
        self._move(at - self.at)
        return inside
