#!/usr/bin/env python3
"""Token ids of `heed tokenize` against the tokenizers and sentencepiece packages, for any file, on random texts.

usage: python3 -m venv .oracles && .oracles/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0
       .oracles/bin/python tools/compare_tokenizers.py build/release/heed FILE.gguf|tokenizer.json... [--texts 10000] [--pre NAME...]
       .oracles/bin/python tools/goldens/small_tokenizers.py DIR TEXT...   # trains some of every kind to compare

The yardstick is built from the file's tokens, merges or scores and pre-tokenizer, so that the two differ in their code
alone; a tokenizer.json it reads itself, and is compared without special tokens, with those in the text and with those
around it. Prints a row a file; the exit code is 1 if any text differs.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from gguf import GGUFReader, GGUFWriter
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from random_texts import random_text

APOSTROPHES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = APOSTROPHES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LEAD, UPPER, LOWER = r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Cased letters as DeepSeek's file lists them: those of today's tables are more.
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386"
         "\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba"
         "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
         "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
         "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184"
         "\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06"
         "\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
         "\U000118a0-\U000118df\U0001e900-\U0001e943")
EXPRESSIONS = {
    "gpt2": [GPT2], "gpt-2": [GPT2], "default": [GPT2], "mpt": [GPT2], "olmo": [GPT2], "phi-2": [GPT2],
    "starcoder": [r"\p{N}", GPT2], "refact": [r"\p{N}", GPT2], "smollm": [r"\p{N}", GPT2], "command-r": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3], "qwen2": [LLAMA3.replace("{1,3}", "")],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{CASED}]+", r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$",
                     "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}+"],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""],
    "bloom": [" ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"],
    "gpt-4o": [f"{LEAD}{UPPER}*{LOWER}+{APOSTROPHES}?|{LEAD}{UPPER}+{LOWER}*{APOSTROPHES}?" r"|\p{N}{1,3}" + TAIL],
    "tekken": [f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*" r"|\p{N}" + TAIL],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"],
}

def text_of(field):
    return bytes(field.parts[field.data[0]]).decode()


def texts_of(field):
    return [bytes(field.parts[i]).decode(errors="surrogateescape") for i in field.data]


def numbers_of(field):
    return [field.parts[i][0] for i in field.data]


def byte_level(fields, tokens, kinds):
    pre = text_of(fields["tokenizer.ggml.pre"]) if "tokenizer.ggml.pre" in fields else "default"
    vocab = {t: i for i, t in reversed(list(enumerate(tokens))) if kinds[i] == 1}
    merges = [tuple(m.split(" ", 1)) for m in texts_of(fields["tokenizer.ggml.merges"])]
    merges = [m for m in merges if m[0] in vocab and m[1] in vocab and m[0] + m[1] in vocab]
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre == "llama-bpe"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(e), "isolated") for e in EXPRESSIONS[pre]] +
                                              [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return t, f"byte-level BPE, {pre}"


def wordpiece(fields, tokens, kinds):
    vocab = {}
    for i, t in enumerate(tokens):
        if kinds[i] == 1 and not (t.startswith("[") and t.endswith("]") and len(t) > 2):
            vocab[t[1:] if t.startswith("\u2581") else "##" + t] = i
        else:
            vocab[t] = i
    t = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return t, "WordPiece"


def sentencepiece(fields, tokens, kinds):
    scores = [float(s) for s in numbers_of(fields["tokenizer.ggml.scores"])]
    usable = {t: i for i, t in reversed(list(enumerate(tokens))) if kinds[i] in (1, 4)}
    merges = []
    for t, i in usable.items():
        pairs = [(t[:k], t[k:]) for k in range(1, len(t)) if t[:k] in usable and t[k:] in usable]
        merges += [(-scores[i], usable[a], usable[b], a, b) for a, b in pairs]
    merges.sort()
    vocab = dict(usable)
    vocab.update({t: i for i, t in enumerate(tokens) if kinds[i] not in (1, 4)})
    t = Tokenizer(models.BPE(vocab=vocab, merges=[(a, b) for *_, a, b in merges], byte_fallback=True, unk_token="<unk>", fuse_unk=False))
    prefix = "tokenizer.ggml.add_space_prefix" not in fields or bool(fields["tokenizer.ggml.add_space_prefix"].parts[-1][0])
    t.normalizer = normalizers.Sequence(([normalizers.Prepend("\u2581")] if prefix else []) + [normalizers.Replace(" ", "\u2581")])
    return t, "SentencePiece BPE"


class Ids:
    def __init__(self, ids):
        self.ids = ids


class Unigram:
    """SentencePiece's own reader of the model that the file was made from."""

    def __init__(self, fields, tokens, kinds):
        from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
        proto = sentencepiece_model_pb2.ModelProto()
        for piece, score, kind in zip(tokens, numbers_of(fields["tokenizer.ggml.scores"]), kinds, strict=True):
            proto.pieces.add(piece=piece, score=float(score), type=kind)
        proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
        proto.trainer_spec.byte_fallback = 6 in kinds
        flag = lambda key: bool(fields[key].parts[-1][0])  # noqa: E731
        proto.normalizer_spec.add_dummy_prefix = flag("tokenizer.ggml.add_space_prefix")
        proto.normalizer_spec.remove_extra_whitespaces = flag("tokenizer.ggml.remove_extra_whitespaces")
        if "tokenizer.ggml.precompiled_charsmap" in fields:
            proto.normalizer_spec.precompiled_charsmap = bytes(int(n) & 255 for n in numbers_of(fields["tokenizer.ggml.precompiled_charsmap"]))
        self.processor = SentencePieceProcessor(model_proto=proto.SerializeToString())

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        return Ids(self.processor.encode(text))


def unigram(fields, tokens, kinds):
    return Unigram(fields, tokens, kinds), "SentencePiece unigram"


KINDS = {"gpt2": byte_level, "bert": wordpiece, "llama": sentencepiece, "t5": unigram}


def with_pre_tokenizer(path, name, to):
    """The vocabulary of a file under another pre-tokenizer."""
    fields = GGUFReader(path).fields
    out = GGUFWriter(to, "none")
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(name)
    out.add_token_list(texts_of(fields["tokenizer.ggml.tokens"]))
    out.add_token_types([int(k) for k in numbers_of(fields["tokenizer.ggml.token_type"])])
    out.add_token_merges(texts_of(fields["tokenizer.ggml.merges"]))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.close()


def heed_ids(heed, path, texts, *options):
    lines = "".join(json.dumps(t) + "\n" for t in texts)
    done = subprocess.run([heed, "tokenize", "--model", path, "--lines", *options], input=lines.encode(), capture_output=True)
    if done.returncode:
        sys.exit(f"{path}: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare_gguf(heed, path, texts):
    fields = GGUFReader(path).fields
    tokens = texts_of(fields["tokenizer.ggml.tokens"])
    kinds = [int(k) for k in numbers_of(fields["tokenizer.ggml.token_type"])] if "tokenizer.ggml.token_type" in fields else [1] * len(tokens)
    yardstick, kind = KINDS[text_of(fields["tokenizer.ggml.model"])](fields, tokens, kinds)
    added = {t for i, t in enumerate(tokens) if kinds[i] == 4 and t.strip("\u2581")}  # user-defined: matched before everything else
    differ = []
    for text, ids in zip(texts, heed_ids(heed, path, texts), strict=True):
        if any(a in text for a in added):
            continue
        want = yardstick.encode(text, add_special_tokens=False).ids
        if want != ids:
            differ.append((text, ids, want))
    return kind, differ


def compare_json(heed, path, texts, rng):
    """Special tokens off: those in a text are text, none around it. On: both count."""
    yardstick = Tokenizer.from_file(path)
    file = json.loads(pathlib.Path(path).read_text())
    added = [t["content"] for t in file["added_tokens"]]
    unknown = file["model"].get("unk_id", yardstick.token_to_id(file["model"].get("unk_token") or ""))
    special = {t["id"] for t in file["added_tokens"] if t["special"]} - {unknown}
    texts = list(texts)
    for i in range(0, len(texts) if added else 0, 3):  # some with such tokens in them
        at = rng.randrange(len(texts[i]) + 1)
        texts[i] = texts[i][:at] + rng.choice(("", " ", "  ", "a")) + rng.choice(added) + rng.choice(("", " ", "\n", "s")) + texts[i][at:]
    differ = []
    framed, bare = yardstick.encode("x").ids, yardstick.encode("x", add_special_tokens=False).ids
    begin = [] if framed[:len(bare)] == bare else framed[:1]  # what begins a text is not doubled by heed
    for options, off in (((), True), (("--special", "--with-bos"), False)):
        yardstick.encode_special_tokens = off
        for text, ids in zip(texts, heed_ids(heed, path, texts, *options), strict=True):
            want = yardstick.encode(text, add_special_tokens=not off).ids
            if off and special.intersection(want):
                assert not special.intersection(ids)
                continue  # a vocabulary may spell control tokens in plain text; heed never does
            if not off and begin and want[:2] == begin * 2:
                want = want[1:]
            if want != ids:
                differ.append((text, ids, want))
    return "tokenizer.json, " + file["model"]["type"], differ


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("heed")
    p.add_argument("files", nargs="+")
    p.add_argument("--texts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--code-points", action="store_true", help="texts with every code point as well")
    p.add_argument("--pre", action="append", default=[], help="the first file once more with this pre-tokenizer, repeatable")
    args = p.parse_args()
    rng = random.Random(args.seed)
    texts = [random_text(rng) for _ in range(args.texts)]
    if args.code_points:
        every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
        texts += ["".join(f"a{c}b" for c in every[i:i + 64]) for i in range(0, len(every), 64)]
    failed = 0
    files = list(args.files)
    room = tempfile.TemporaryDirectory()
    for name in args.pre:
        files.append(f"{room.name}/{pathlib.Path(args.files[0]).stem}-as-{name}.gguf")
        with_pre_tokenizer(args.files[0], name, files[-1])
    for path in files:
        start = time.monotonic()
        kind, differ = compare_json(args.heed, path, texts, rng) if path.endswith(".json") else compare_gguf(args.heed, path, texts)
        print(f"{pathlib.Path(path).stem}: {kind}: {len(texts)} texts, {len(differ)} differ ({time.monotonic() - start:.0f} s)", flush=True)
        for text, ours, want in differ[:3]:
            print(f"    {json.dumps(text)[:300]}\n      heed {str(ours)[:300]}\n      want {str(want)[:300]}")
        failed += len(differ)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
