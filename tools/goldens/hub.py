#!/usr/bin/env python3
"""The tiny models of models.py as model hubs lay them out: config.json, safetensors in one file or in shards.

Writes tests/golden/hub/NAME, with the very weights of tests/golden/models/NAME.gguf: what heed makes of the one must be
the other, bit for bit. Run in .oracles; CI needs none of this.
"""
import json
import pathlib
import shutil
import sys

import torch

from models import MODELS

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/hub"
NAMES = ["llama", "llama3-rope", "mixtral", "qwen2", "qwen2moe", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "arcee", "seed-oss", "ernie4-5",
         "chatglm", "glm4"]
SHARDED = {"qwen2"}
UNPADDED = {"llama", "qwen2", "qwen3"}  # whose goldens were made before models.py named a token for padding
KEPT = {"config.json", "generation_config.json", "model.safetensors.index.json"}


def build(name, cls, config):  # as models.py did
    if name in UNPADDED:
        config.pad_token_id = None
    torch.manual_seed(1)
    model = cls(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.add_(0.2 * torch.randn_like(p))
            else:
                p.mul_(4)
    return model


def write_tokenizer(path, size):  # letters and a few merges, as Llama 2's is made
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
    merges = [("\u2581", "t"), ("\u2581t", "h"), ("\u2581th", "e"), ("a", "n"), ("i", "n")]
    tokens = ["<unk>", "<s>", "</s>", "\u2581", *"abcdefghijklmnopqrstuvwxyz.,!?'\n0123456789", *(a + b for a, b in merges)]
    tokens += [f"<extra{i}>" for i in range(size - len(tokens))]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    assert len(vocabulary) == size
    t = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([AddedToken(x, special=True) for x in ("<unk>", "<s>", "</s>")])
    t.save(str(path))


def main(names):
    for name in names or NAMES:
        _, cls, config = MODELS[name]
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        build(name, cls, config).save_pretrained(folder, max_shard_size="64KB" if name in SHARDED else "1GB")
        for file in folder.iterdir():
            if file.name not in KEPT and file.suffix != ".safetensors":
                file.unlink()
        generation = folder / "generation_config.json"
        if generation.exists():  # the version is nobody's business
            kept = {k: v for k, v in json.loads(generation.read_text()).items() if k != "transformers_version"}
            generation.write_text(json.dumps(kept, indent=2) + "\n")
        if name == "llama":
            write_tokenizer(folder / "tokenizer.json", config.vocab_size)
        print(name, sum(f.stat().st_size for f in folder.iterdir()), "bytes", [f.name for f in folder.iterdir()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
