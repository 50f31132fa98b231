#!/usr/bin/env python3
"""Writes src/text/word_tables.cc: what \\w and \\s are in the Whitespace pre-tokenizer, and what StripAccents strips.

usage: pip install tokenizers==0.23.3 && tools/word_tables.py > src/text/word_tables.cc
"""
import tokenizers
import unicode_tables
from tokenizers.normalizers import StripAccents
from tokenizers.pre_tokenizers import Whitespace

CLASSES = ("other", "word", "space", "mark")
CUT, STRIPPED = Whitespace(), StripAccents()


def class_of(code):
    pieces = [piece for piece, _ in CUT.pre_tokenize_str(f"a{chr(code)}b")]
    if STRIPPED.normalize_str(chr(code)) == "":
        assert len(pieces) == 1
        return CLASSES.index("mark")
    return {1: CLASSES.index("word"), 2: CLASSES.index("space"), 3: CLASSES.index("other")}[len(pieces)]


def main():
    unicode_tables.write(lambda code: 0 if 0xD800 <= code < 0xE000 else class_of(code), file="word_tables",
                         yardstick=f"tokenizers {tokenizers.__version__}", kind="WordClass", function="word_class", more="")


if __name__ == "__main__":
    main()
