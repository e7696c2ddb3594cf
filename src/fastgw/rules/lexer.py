"""The words of the rules language: numbers, texts, addresses, names, and where each stands."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NoReturn

from fastgw.rules.errors import RuleError
from fastgw.rules.tree import Address, ListName, Span

INT_LEAST, INT_MOST = -(2**63), 2**63 - 1
HASHES_MOST = 255

_SPACE = re.compile(r"[ \r\n]*")
_NAME = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_ADDRESS = re.compile(r"[0-9A-Fa-f:./]+")
_LIST = re.compile(r"\$([a-z0-9_.]*)")
_OCTETS = re.compile(r"[0-9A-Fa-f]{2}(?:[:.-][0-9A-Fa-f]{2})+")
_HASHES = re.compile(r"#*")
_CULPRIT = re.compile(r"[^\s(){}\[\],]+|.", re.DOTALL)


class Lexer:
    """A place in an expression; each method takes one word from there or raises RuleError."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: list[int] = []
        """Where each character of the last regular expression stands, and its end."""

    def fail(
        self, sentence: str, start: int | None = None, end: int | None = None, hint: str = ""
    ) -> NoReturn:
        """Without an end, the culprit is the word that begins at `start`."""
        start = self.at if start is None else start
        if end is None:
            match = _CULPRIT.match(self.text, start)
            end = match.end() if match else start
        raise RuleError(sentence, self.text, start, end, hint=hint)

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def ahead(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def take(self, *words: str) -> str | None:
        """The first of `words` that stands here; a word is a prefix and needs no space behind it."""
        for word in words:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        return None

    def expect(self, word: str, what: str) -> None:
        if not self.take(word):
            self.fail(f"expected {word!r} {what}")

    def name(self) -> str | None:
        """A name with dots, or None where none stands."""
        match = _NAME.match(self.text, self.at)
        if not match:
            return None
        self.at = match.end()
        return match[0]

    def integer(self) -> int:
        """Decimal, 0x hexadecimal, or octal after a leading zero, as in C; 64 bits with a sign."""
        start = self.at
        base = 16 if self.take("0x") else 8 if self.ahead("0") else 10
        negative = base == 10 and self.take("-") is not None
        match = _DIGITS.match(self.text, self.at)
        if not match:
            self.fail("expected a whole number", start)
        self.at = match.end()
        try:
            number = int(match[0], base)
        except ValueError:
            kind = {8: "an octal number (a leading 0 makes it one)", 10: "a decimal number"}[base]
            self.fail(f"{match[0]} is not {kind}", start, self.at)
        number = -number if negative else number
        if not INT_LEAST <= number <= INT_MOST:
            self.fail("the number does not fit into 64 bits", start, self.at)
        return number

    def integer_span(self) -> Span:
        start = self.at
        first = last = self.integer()
        if self.take(".."):
            last = self.integer()
        if last < first:
            self.fail("the range ends before it begins", start, self.at)
        return Span(first, last)

    def _address_word(self) -> tuple[str, int]:
        start = self.at
        match = _ADDRESS.match(self.text, start)
        if not match:
            self.fail("expected an IP address")
        self.at = match.end()
        return match[0], start

    def _one_address(self, word: str, start: int) -> Address:
        try:
            return IPv6Address(word) if ":" in word else IPv4Address(word)
        except AddressValueError:
            hint = "a network stands in braces: in {10.0.0.0/8}" if "/" in word else ""
            self.fail(f"{word} is not an IP address", start, start + len(word), hint)

    def address(self) -> Address:
        word, start = self._address_word()
        return self._one_address(word, start)

    def address_span(self) -> Span:
        """An address, a range first..last, or a network whose host bits are zero."""
        word, start = self._address_word()
        end = self.at
        if ".." in word:
            left, right = word.split("..", 1)
            first = self._one_address(left, start)
            last = self._one_address(right, start + len(left) + 2)
            if first.version != last.version or int(last) < int(first):
                self.fail("the range ends before it begins, or mixes IPv4 and IPv6", start, end)
            return Span(first, last)
        left, slash, length = word.partition("/")
        first = self._one_address(left, start)
        if not slash:
            return Span(first, first)
        if not re.fullmatch(r"[0-9]{1,3}", length) or int(length) > first.max_prefixlen:
            self.fail(f"the length of a network is 0 to {first.max_prefixlen}", start + len(left) + 1, end)
        kind = IPv6Network if first.version == 6 else IPv4Network
        network = kind((int(first), int(length)), strict=False)
        if network.network_address != first:
            hint = f"the network is written {network}"
            self.fail("the address has bits beyond the network's length", start, start + len(left), hint)
        return Span(network.network_address, network.broadcast_address)

    def list_name(self) -> ListName:
        start = self.at
        match = _LIST.match(self.text, start)
        name = match[1] if match else ""
        self.at = match.end() if match else start
        if not name or name[0] == "." or name[-1] == ".":
            self.fail("the name of a list has lower-case letters, digits, '_' and inner dots", start)
        return ListName(name)

    def octets(self) -> bytes:
        """A text in any of its three forms: "quoted", r"raw", 0a:0b:0c."""
        if self.ahead('"') or self.ahead("r"):
            return self.text_literal()
        match = _OCTETS.match(self.text, self.at)
        if not match:
            self.fail("expected a text in quotes, or octets as in 0a:0b")
        start, self.at = self.at, match.end()
        if self.text[self.at : self.at + 1] in (":", "-", "."):
            self.fail("expected two hexadecimal digits after the separator", start, self.at + 1)
        return bytes(int(pair, 16) for pair in re.split("[:.-]", match[0]))

    def text_literal(self) -> bytes:
        """A quoted or raw text."""
        if self.ahead('"'):
            return self._quoted()
        if self.ahead("r"):
            return self._raw().encode()
        self.fail('expected a text: "..." or r"..."')

    def _raw(self) -> str:
        start = self.at
        self.at += 1
        match = _HASHES.match(self.text, self.at)
        hashes = match[0] if match else ""
        if len(hashes) > HASHES_MOST:
            self.fail(f"at most {HASHES_MOST} '#' before a raw text", start, self.at + len(hashes))
        self.at += len(hashes)
        if not self.take('"'):
            self.fail("expected '\"' or '#' after the r of a raw text", start)
        end = self.text.find('"' + hashes, self.at)
        if end < 0:
            self.fail("the closing quote is missing", start, len(self.text))
        raw, self.at = self.text[self.at : end], end + 1 + len(hashes)
        return raw

    def _quoted(self) -> bytes:
        start = self.at
        self.at += 1
        parts: list[bytes] = []
        while True:
            end = self.at
            while end < len(self.text) and self.text[end] not in '"\\':
                end += 1
            if end >= len(self.text):
                self.fail("the closing quote is missing", start, len(self.text))
            parts.append(self.text[self.at : end].encode())
            self.at = end + 1
            if self.text[end] == '"':
                return b"".join(parts)
            parts.append(self._escape(end, start))

    def _escape(self, slash: int, start: int) -> bytes:
        r"""What follows a backslash: ", \, xHH or three octal digits."""
        if self.at >= len(self.text):
            self.fail("the closing quote is missing", start, len(self.text))
        char = self.text[self.at]
        if char in '"\\':
            self.at += 1
            return char.encode()
        for form, digits, base in (("x", r"x([0-9A-Fa-f]{2})", 16), ("01234567", r"([0-3][0-7]{2})", 8)):
            if char in form:
                match = re.compile(digits).match(self.text, self.at)
                if not match:
                    break
                self.at = match.end()
                return bytes([int(match[1], base)])
        self.fail(
            r"an escape is \", \\, \xHH or three octal digits up to \377",
            slash,
            slash + 2,
            hint='in a raw text, r"...", a backslash is itself',
        )

    def pattern(self) -> str:
        r"""A regular expression: raw, or quoted with every backslash kept but that of \" outside of [...]."""
        if self.ahead("r"):
            start = self.at
            raw = self._raw()
            begin = start + 2 + (self.at - start - len(raw) - 3) // 2  # behind r, its hashes and the quote
            self.places = list(range(begin, begin + len(raw) + 1))
            return raw
        if not self.ahead('"'):
            self.fail('expected a regular expression: "..." or r"..."')
        start = self.at
        self.at += 1
        made: list[str] = []
        self.places = []
        in_class = False
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == "\\" and self.at < len(self.text):
                char = self.text[self.at]
                self.at += 1
                kept = char if char == '"' and not in_class else "\\" + char
                self.places += range(self.at - len(kept), self.at)
                made.append(kept)
                continue
            self.places.append(self.at - 1)
            if char == '"' and not in_class:
                return "".join(made)
            in_class = char == "[" or (in_class and char != "]")
            made.append(char)
        self.fail("the closing quote is missing", start, len(self.text))
