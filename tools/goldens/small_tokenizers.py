#!/usr/bin/env python3
"""Small tokenizers of every kind, trained here, with the ids that the tokenizers and sentencepiece packages give.

usage: .oracles/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0
       .oracles/bin/python tools/goldens/small_tokenizers.py             # the goldens in tests/golden/tokenizers
       .oracles/bin/python tools/goldens/small_tokenizers.py DIR TEXT... # larger ones, from text files, for compare_tokenizers.py

A kind is a row of KINDS: what is trained, and how the file around it is put together. The goldens hold the vocabulary
once a model and a file's other parts once a kind.
"""
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece
from gguf import GGUFWriter
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from random_texts import random_text  # noqa: E402

OUT = HERE.parents[1] / "tests" / "golden" / "tokenizers"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]
SENTENCES = """The quick brown fox jumps over the lazy dog, and the dog does not mind at all.
It was the best of times, it was the worst of times; it was the age of wisdom.
We're sure that they've gone where I'd told them they'll be: don't worry about it!
def encode(text): return [vocabulary[piece] for piece in split(text) if piece in vocabulary]
Numbers such as 12, 345 and 2024-01-31 cost 99.95 or 1,000,000 in all.
Der schnelle braune Fuchs springt über den faulen Hund; größere Straßen führen nach Köln.
Le garçon a mangé une crème brûlée à l'hôtel où il était déjà allé l'été dernier.
El niño comió mañana en el jardín del señor, ¿verdad que sí?
Съешь же ещё этих мягких французских булок, да выпей чаю. Привет мир!
你好世界，今天天气很好。我们一起去公园散步吧。
こんにちは、世界。今日はとてもいい天気ですね。カタカナも読めます。
안녕하세요 세계, 오늘은 날씨가 정말 좋네요.
مرحبا بالعالم، كيف حالك اليوم؟ שלום עולם, מה שלומך היום?
नमस्ते दुनिया, आप कैसे हैं? สวัสดีชาวโลก วันนี้อากาศดี
Emoji: 🦙 🚀 😀 and combinations like 👨‍👩‍👧 or ☀️; symbols → ∑ ≤ ½ ② Ⅷ ﬁ ﬂ ™ № …
\tTabs,  double  spaces and trailing ones   \n\n  new lines\r\n""".split("\n")
SPECIALS = ["<unk>", "<s>", "</s>", "<pad>", "<mask>"]
ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def corpus(files):
    if not files:
        return SENTENCES * 4
    return [line for file in files for line in pathlib.Path(file).read_text(errors="replace").splitlines() if line] + SENTENCES


def sentencepiece_model(lines, size, rules=None, **options):
    """A ModelProto of the unigram model; `rules` instead of the full NFKC table."""
    with tempfile.TemporaryDirectory() as room:
        if rules:
            pathlib.Path(room, "rules.tsv").write_text("".join(rules))
            options["normalization_rule_tsv"] = f"{room}/rules.tsv"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=f"{room}/m", vocab_size=size, model_type="unigram",
            character_coverage=0.99, hard_vocab_limit=False, minloglevel=2, input_sentence_size=200000, **options)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(pathlib.Path(room, "m.model").read_bytes())
    return proto


# Replacements such as NFKC's: shortest and longest keys, marks that join, text that goes, spaces of other kinds.
RULES = [f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in (
    ("ﬁ", "fi"), ("ﬂ", "fl"), ("½", "1⁄2"), ("②", "2"), ("Ⅷ", "VIII"), ("™", "TM"), ("…", "..."), ("\u00a0", " "), ("\u3000", " "), ("\u2028", " "),
    ("\t", " "), ("\n", " "), ("\r", " "), ("\r\n", " "), ("\u200b", ""), ("\u200d", ""), ("\u0007", ""), ("a\u0301", "á"), ("e\u0301", "é"),
    ("A", "a"), ("A\u0308", "Ä"), ("A\u0308\u0301", "Ǟ"), ("Ａ", "A"), ("ｶ", "カ"), ("ｶﾞ", "ガ"), ("\ufdfa", "صلى الله عليه وسلم"), ("🚀", "rocket"))]


def write_gguf(proto, path):
    """As converters write a T5 file's tokenizer."""
    out = GGUFWriter(path, "t5")
    out.add_tokenizer_model("t5")
    out.add_tokenizer_pre("default")
    out.add_token_list([p.piece.encode() for p in proto.pieces])
    out.add_token_scores([p.score for p in proto.pieces])
    out.add_token_types([p.type for p in proto.pieces])
    spec = proto.normalizer_spec
    out.add_add_space_prefix(spec.add_dummy_prefix)
    out.add_remove_extra_whitespaces(spec.remove_extra_whitespaces)
    if spec.precompiled_charsmap:
        out.add_precompiled_charsmap(spec.precompiled_charsmap)
    ids = {p.piece: i for i, p in enumerate(proto.pieces)}
    out.add_unk_token_id(ids["<unk>"])
    out.add_eos_token_id(ids["</s>"])
    out.add_add_bos_token(False)
    out.add_add_eos_token(True)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.close()


def trained(model, normalizer, pre_tokenizer, trainer, lines):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(lines, trainer)
    return json.loads(t.to_str())["model"]


def trained_models(lines, size):
    """The models that the kinds share, as a file holds them."""
    mark = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])

    def marked(pre):
        return trained(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True), mark, pre, trainers.BpeTrainer(
            vocab_size=size, special_tokens=SPECIALS + [f"<0x{b:02X}>" for b in range(256)], limit_alphabet=150, max_token_length=12, show_progress=False), lines)

    words = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)])
    return {
        "bytes": trained(models.BPE(), None, pre_tokenizers.ByteLevel(add_prefix_space=False),
                         trainers.BpeTrainer(vocab_size=size, initial_alphabet=ALPHABET, show_progress=False), lines),
        "marked": marked(pre_tokenizers.Metaspace("▁", "always")),
        "across": marked(None),  # tokens that reach over spaces
        "suffixed": trained(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), normalizers.Lowercase(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                            trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], initial_alphabet=ALPHABET, end_of_word_suffix="</w>", show_progress=False), lines),
        "wordpiece": trained(models.WordPiece(unk_token="[UNK]"), normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(),
                             trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False), lines),
        "words": trained(models.WordLevel(unk_token="[UNK]"), normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]), words,
                         trainers.WordLevelTrainer(vocab_size=size, special_tokens=["[UNK]"], show_progress=False), lines),
    }


def special(text, **options):
    return AddedToken(text, special=True, normalized=False, **options)


def plain(text, **options):
    return AddedToken(text, special=False, **options)


def assemble(model, normalizer=None, pre=None, post=None, decoder=None, added=()):
    """A file's text."""
    t = Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                                       "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    if decoder:
        t.decoder = decoder
    t.add_tokens(list(added))
    if post:
        t.post_processor = post(t)
    return json.loads(t.to_str())


def template(before, after=()):
    return lambda t: processors.TemplateProcessing(
        single=[*before, "$A", *after], pair=[*before, "$A", *after, "$B:1", *(f"{x}:1" for x in after)], special_tokens=[(x, t.token_to_id(x)) for x in {*before, *after}])


def byte_level(prefix=False, regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def splits(*patterns):
    return [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]


def unigram_json(proto, byte_fallback=False):
    return {"type": "Unigram", "unk_id": next(i for i, p in enumerate(proto.pieces) if p.type == 2),
            "vocab": [[p.piece, p.score] for p in proto.pieces], "byte_fallback": byte_fallback}


def kinds(m, proto):
    """name -> file. What widely used models' files hold, and the options that those leave out."""
    charsmap = proto.normalizer_spec.precompiled_charsmap
    precompiled = [normalizers.Precompiled(charsmap)] if charsmap else []
    unigram = unigram_json(proto)
    llama_decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    pieces = [special("<s>"), special("</s>"), special("<pad>"), special("<mask>", lstrip=True)]
    marked = m["marked"]
    odd = [special("<|end|>"), plain("<tool>", normalized=False, lstrip=True, rstrip=True), plain("word", single_word=True), plain("Été", normalized=True), plain("  ", normalized=False)]
    words = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)])
    out = {
        "gpt2": assemble(m["bytes"], None, byte_level(), lambda t: processors.ByteLevel(trim_offsets=False), decoders.ByteLevel(), [special("<|endoftext|>")]),
        "roberta": assemble(m["bytes"], None, byte_level(prefix=True), lambda t: processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))),
                            decoders.ByteLevel(), [special("<s>"), special("</s>"), special("<mask>", lstrip=True)]),
        "llama3": assemble({**m["bytes"], "ignore_merges": True}, None, pre_tokenizers.Sequence([*splits(LLAMA3), byte_level(regex=False)]),
                           lambda t: processors.Sequence([processors.ByteLevel(), template(["<|begin_of_text|>"])(t)]), decoders.ByteLevel(), [special("<|begin_of_text|>"), special("<|eot_id|>")]),
        "qwen2": assemble(m["bytes"], normalizers.NFC(), pre_tokenizers.Sequence([*splits(LLAMA3.replace("{1,3}", "")), byte_level(regex=False)]), None, decoders.ByteLevel(),
                          [special("<|im_start|>"), special("<|im_end|>"), plain("<think>", normalized=False)]),
        "deepseek": assemble(m["bytes"], normalizers.Sequence([]), pre_tokenizers.Sequence([*splits(*DEEPSEEK), byte_level(regex=False)]), template(["<bos>"]), decoders.ByteLevel(),
                             [AddedToken("<bos>", special=True, normalized=True), plain("<|fim|>", normalized=True)]),
        "odd tokens": assemble(m["bytes"], normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]), byte_level(), None, decoders.ByteLevel(), odd),
        "clip": assemble(m["suffixed"], normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
                         pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), byte_level()]),
                         template(["<|startoftext|>"], ["<|endoftext|>"]), decoders.ByteLevel(), [special("<|startoftext|>"), special("<|endoftext|>")]),
        "llama2": assemble(marked, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, template(["<s>"]), llama_decoder, pieces),
        "mistral": assemble(marked, None, pre_tokenizers.Metaspace("▁", "first", split=False), template(["<s>"], ["</s>"]), llama_decoder, pieces),
        "llama2 across": assemble(m["across"], normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, template(["<s>"]), llama_decoder, pieces),
        "gemma": assemble(marked, normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"), template(["<s>"]),
                          decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]), [*pieces, plain("\n\n", normalized=False)]),
        "no fallback": assemble({**m["across"], "byte_fallback": False, "fuse_unk": False}, normalizers.NFKD(), pre_tokenizers.Metaspace("▁", "always", split=True), None, decoders.Metaspace(), pieces),
        "fused": assemble({**marked, "byte_fallback": False}, normalizers.NFD(), pre_tokenizers.Metaspace("▁", "never", split=True), None, decoders.Metaspace("▁", "never"), pieces),
        "bert": assemble(m["wordpiece"], normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), template(["[CLS]"], ["[SEP]"]), decoders.WordPiece(),
                         [special(x) for x in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]),
        "bert cased": assemble(m["wordpiece"], normalizers.BertNormalizer(lowercase=False, strip_accents=True, handle_chinese_chars=False), pre_tokenizers.BertPreTokenizer(),
                               lambda t: processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]"))), decoders.WordPiece(cleanup=False),
                               [special(x) for x in ("[UNK]", "[CLS]", "[SEP]")]),
        "words": assemble(m["words"], normalizers.Sequence([normalizers.NFC(), normalizers.Strip(), normalizers.Lowercase()]), words, None, None, [special("[UNK]")]),
        "t5": assemble(unigram, normalizers.Sequence(precompiled), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always")]),
                       template([], ["</s>"]), decoders.Metaspace(), [special("<unk>"), special("</s>"), special("<extra_id_0>")]),
        "xlm-r": assemble(unigram, normalizers.Sequence([*precompiled, normalizers.Replace(Regex(" {2,}"), "▁")]), pre_tokenizers.Metaspace("▁", "always"), template(["<s>"], ["</s>"]),
                          decoders.Metaspace(), [special("<unk>"), special("<s>"), special("</s>"), special("<mask>", lstrip=True)]),
        "albert": assemble(unigram, normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), *precompiled]),
                           pre_tokenizers.Metaspace("▁", "first"), None, decoders.Metaspace(), [special("<unk>"), special("</s>")]),
    }
    # Each step by itself: bytes without merges show what it gives, and a space where a piece begins.
    bare = {**m["bytes"], "vocab": {c: i for i, c in enumerate(sorted(ALPHABET))}, "merges": []}
    parts = {"nfc": normalizers.NFC(), "nfd": normalizers.NFD(), "nfkc": normalizers.NFKC(), "nfkd": normalizers.NFKD(), "lowercase": normalizers.Lowercase(),
             "strip accents": normalizers.StripAccents(), "strip": normalizers.Strip(), "bert normalizer": normalizers.BertNormalizer(),
             "bert cleaning": normalizers.BertNormalizer(lowercase=False), "precompiled": normalizers.Sequence(precompiled), "digits": pre_tokenizers.Digits(True),
             "digit runs": pre_tokenizers.Digits(False), "punctuation": pre_tokenizers.Punctuation(), "whitespace": pre_tokenizers.Whitespace(),
             "whitespace split": pre_tokenizers.WhitespaceSplit(), "bert pre tokenizer": pre_tokenizers.BertPreTokenizer()}
    parts.update({f"class {x}": pre_tokenizers.Split(Regex(x), "isolated") for x in (r"\w", r"\s", r"\d", r"\p{L}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{M}", r"[^\w\s]", r"[^\p{L}\p{N}]+", r".", r"\b")})
    for name, step in parts.items():
        is_pre = isinstance(step, pre_tokenizers.PreTokenizer)
        out[f"step {name}"] = assemble(bare, None if is_pre else step, pre_tokenizers.Sequence([step, byte_level(True, False)]) if is_pre else byte_level(True, False), None, decoders.ByteLevel())
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        patterns = [pre_tokenizers.Split("e", behavior), pre_tokenizers.Split(Regex(r"\d|\w+(?=!)|(?<=\.)"), behavior, invert=behavior == "merged_with_next"),
                    pre_tokenizers.Punctuation(behavior), pre_tokenizers.Digits(behavior == "isolated"), pre_tokenizers.CharDelimiterSplit("о"), byte_level(regex=False)]
        out[f"split {behavior.replace('_', ' ')}"] = assemble(m["bytes"], normalizers.Strip(left=True, right=False), pre_tokenizers.Sequence(patterns), None, decoders.ByteLevel())
    return out


def cases_of(tokenizer, file, texts):
    """[text, ids, ids with special tokens around and inside, the text of the former]. None where heed differs by design:
    it never takes control tokens from plain text, never doubles what begins a text, shows where text was lost, and does
    not decode an added token's letters as bytes."""
    letters = {t["id"] for t in file["added_tokens"] if not t["content"].isascii()}
    unknown = file["model"].get("unk_id", tokenizer.token_to_id(file["model"].get("unk_token") or ""))
    special = {t["id"] for t in file["added_tokens"] if t["special"]} - {unknown}
    around, bare = tokenizer.encode("x").ids, tokenizer.encode("x", add_special_tokens=False).ids
    begin = [] if around[:len(bare)] == bare else around[:1]
    rows = []
    for text in texts:
        tokenizer.encode_special_tokens = True
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        framed = tokenizer.encode(text, add_special_tokens=True).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        is_comparable = not special.intersection(ids)
        rows.append([text, ids if is_comparable else None, None if begin and framed[:2] == begin * 2 else framed,
                     decoded if is_comparable and unknown not in ids and not letters.intersection(ids) else None])
    return rows


def texts_for(file, rng, count):
    added = [t["content"] for t in file["added_tokens"]] if file else []
    texts = ["", " ", "Hello world", SENTENCES[0], "  two  spaces  ", "e\u0301 ﬁ ½ İ", "a\r\nb\n\nc", "".join(added), *(f"x {a} y{a}{a} z" for a in added), *SENTENCES[2:8]]
    while len(texts) < count:
        text = random_text(rng)
        if added and rng.random() < 0.3:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(("", " ", "  ")) + rng.choice(added) + rng.choice(("", " ", "\n")) + text[at:]
        texts.append(text)
    return texts[:count]


def write_goldens():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*.json"):
        old.unlink()
    lines = corpus([])
    proto = sentencepiece_model(lines, 500, RULES, byte_fallback=False)
    rng = random.Random(7)
    write_gguf(proto, str(OUT / "unigram.gguf"))
    reference = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    texts = texts_for(None, rng, 300)
    (OUT / "unigram.json").write_text(json.dumps([[t, reference.encode(t)] for t in texts], ensure_ascii=True) + "\n")
    trained_parts = trained_models(lines, 600)
    for name, file in kinds(trained_parts, proto).items():
        stem = "".join(c if c.isalnum() else "_" for c in name)
        rows = cases_of(Tokenizer.from_str(json.dumps(file)), file, texts_for(file, rng, 24 if name.startswith("step") else 60))
        golden = {"file": {k: v for k, v in file.items() if k != "model"}, "cases": rows}
        model = json.dumps(file["model"], ensure_ascii=True, separators=(",", ":"))
        same = [p for p in OUT.glob("model_*.json") if p.read_text() == model + "\n"]
        path = same[0] if same else OUT / f"model_{stem}.json"
        path.write_text(model + "\n")
        golden["model"] = path.stem
        text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
        assert len(text) < 200_000 and len(model) < 200_000, name
        (OUT / f"kind_{stem}.json").write_text(text + "\n")
        print(f"{name}: {len(rows)} texts")


def write_large(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    lines = corpus(files)
    proto = sentencepiece_model(lines, 8000)
    write_gguf(proto, str(directory / "unigram.gguf"))
    plain_proto = sentencepiece_model(lines, 4000, remove_extra_whitespaces=False, byte_fallback=True, normalization_rule_name="identity")
    write_gguf(plain_proto, str(directory / "unigram-bytes.gguf"))
    files = kinds(trained_models(lines, 8000), proto)
    files["unigram bytes"] = assemble(unigram_json(plain_proto, byte_fallback=True), None, pre_tokenizers.Metaspace("▁", "first", split=False), None, decoders.Metaspace(), [special("<unk>"), special("</s>")])
    for name, file in files.items():
        (directory / f"{''.join(c if c.isalnum() else '-' for c in name)}.tokenizer.json").write_text(json.dumps(file, ensure_ascii=False))
    print(f"{directory}: {len(files)} tokenizer.json files, 2 GGUF files")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_large(pathlib.Path(sys.argv[1]), sys.argv[2:])
    else:
        write_goldens()
