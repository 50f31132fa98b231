#!/usr/bin/env python3
"""Writes src/text/bert_tables.cc: what BERT's normalizer does with a character, one class per run of code points.

usage: pip install tokenizers==0.23.3 && tools/bert_tables.py > src/text/bert_tables.cc

The yardstick is the tokenizers library, whose tables here are those of an older Unicode than its others: each code
point is asked for.
"""
import tokenizers
import unicode_tables
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

CLASSES = ("plain", "dropped", "space", "punctuation", "accent", "ideograph")


def normalizer(**only):
    return BertNormalizer(**{name: name in only for name in ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")})


CLEAN, SPACED, STRIPPED = normalizer(clean_text=1), normalizer(handle_chinese_chars=1), normalizer(strip_accents=1)
CUT = BertPreTokenizer()


def class_of(code):
    text = f"a{chr(code)}b"
    cleaned = CLEAN.normalize_str(text)
    if cleaned == "ab":
        return 1
    if cleaned == "a b":
        return 2
    if STRIPPED.normalize_str(text) == "ab":
        return 4
    if len(CUT.pre_tokenize_str(text)) == 3:
        return 3
    return 5 if SPACED.normalize_str(text) != text else 0


def main():
    unicode_tables.write(lambda code: 0 if 0xD800 <= code < 0xE000 else class_of(code), file="bert_tables",
                         yardstick=f"tokenizers {tokenizers.__version__}", kind="BertClass", function="bert_class", more="")


if __name__ == "__main__":
    main()
