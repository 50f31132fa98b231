#!/usr/bin/env python3
"""Tiny random encoders made by transformers: weights as GGUF and as hubs lay them out, and what each layer must give.

Writes tests/golden/models/NAME.gguf, NAME.expected.gguf (tokens, rows after the embedding, every block and the final norm,
their mean) and tests/golden/hub/NAME. Run in .oracles; CI needs none of this.

    encoders.py                every one
    encoders.py bert roberta   those
"""
import json
import pathlib
import re
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers as tf
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from models import OUT, finish

HUB = pathlib.Path(__file__).parents[2] / "tests/golden/hub"
VOCAB, TOKENS = 64, 24
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = (SPECIAL + list(LETTERS) + ["##" + c for c in LETTERS] + ["the", "##er", "##ing", ".", ",", "?", "!"])[:VOCAB]

COMMON = dict(vocab_size=VOCAB, num_hidden_layers=2, hidden_size=32, intermediate_size=64, num_attention_heads=2,
              max_position_embeddings=64, attn_implementation="eager", pad_token_id=0, bos_token_id=2, eos_token_id=3)
# name -> (GGUF's architecture, class, config)
MODELS = {
    "bert": ("bert", tf.BertModel, tf.BertConfig(**COMMON)),
    "roberta": ("bert", tf.XLMRobertaModel, tf.XLMRobertaConfig(**dict(COMMON, pad_token_id=1), type_vocab_size=1)),
    "nomic-bert": ("nomic-bert", tf.NomicBertModel, tf.NomicBertConfig(**COMMON)),
    "modern-bert": ("modern-bert", tf.ModernBertModel, tf.ModernBertConfig(
        **dict(COMMON, num_hidden_layers=4), local_attention=8, cls_token_id=2, sep_token_id=3)),
}

# In GGUF's converter the same name may come from several families; ours are few enough for one list of patterns.
NAMES = [
    (r"embeddings\.(word_embeddings|tok_embeddings)", "token_embd"), (r"embeddings\.position_embeddings", "position_embd"),
    (r"embeddings\.token_type_embeddings", "token_types"), (r"(embeddings\.(LayerNorm|norm)|emb_ln)", "token_embd_norm"),
    (r"final_norm", "output_norm"),
    (r".*\.attention\.self\.query", "attn_q"), (r".*\.attention\.self\.key", "attn_k"), (r".*\.attention\.self\.value", "attn_v"),
    (r".*\.attention\.output\.dense", "attn_output"), (r".*\.attention\.output\.LayerNorm", "attn_output_norm"),
    (r".*\.intermediate\.dense", "ffn_up"), (r".*\.output\.dense", "ffn_down"), (r".*\.output\.LayerNorm", "layer_output_norm"),
    (r".*\.attn\.Wqkv", "attn_qkv"), (r".*\.attn\.(out_proj|Wo)", "attn_output"),
    (r".*\.norm1", "attn_output_norm"), (r".*\.norm2", "layer_output_norm"),
    (r".*\.mlp\.fc11", "ffn_up"), (r".*\.mlp\.fc12", "ffn_gate"), (r".*\.mlp\.fc2", "ffn_down"),
    (r".*\.attn_norm", "attn_norm"), (r".*\.mlp_norm", "ffn_norm"), (r".*\.mlp\.Wi", "ffn_up"), (r".*\.mlp\.Wo", "ffn_down"),
]


def gguf_name(name):
    stem, leaf = name.rsplit(".", 1)
    part = next(to for pattern, to in NAMES if re.fullmatch(pattern, stem))
    layer = re.search(r"layers?\.(\d+)\.", stem)
    return (f"blk.{layer[1]}." if layer else "") + f"{part}.{leaf}"


def nomic_names(state):
    """As the family's own code names them, which is what hubs hold."""
    out = {}
    for name, tensor in state.items():
        name = name.replace("embeddings.LayerNorm", "emb_ln").replace("layers.", "encoder.layers.")
        for ours, theirs in (("self_attn.o_proj", "attn.out_proj"), ("up_proj", "fc11"), ("gate_proj", "fc12"), ("down_proj", "fc2"),
                             ("post_attention_layernorm", "norm1"), ("post_mlp_layernorm", "norm2")):
            name = name.replace(ours, theirs)
        if "_proj" not in name or "out_proj" in name:
            out[name] = tensor
        elif "q_proj" in name:
            parts = [state[name.replace("encoder.", "").replace("q_proj", f"{p}_proj")] for p in "qkv"]
            out[name.replace("self_attn.q_proj", "attn.Wqkv")] = torch.cat(parts)
    return out


def nomic_config(config):
    return dict(model_type="nomic_bert", n_embd=config.hidden_size, n_layer=config.num_hidden_layers, n_head=config.num_attention_heads,
                n_inner=config.intermediate_size, n_positions=config.max_position_embeddings, vocab_size=VOCAB, type_vocab_size=2,
                layer_norm_epsilon=config.layer_norm_eps, rotary_emb_base=config.rope_parameters["rope_theta"],
                rotary_emb_fraction=1.0, activation_function="swiglu")


def build(cls, config):
    torch.manual_seed(1)
    model = cls(config).eval()
    with torch.no_grad():
        for p in model.parameters():  # norms and biases must matter, too
            if p.ndim == 1:
                p.add_(0.2 * torch.randn_like(p))
            else:
                p.mul_(4)
    return model


def write_gguf(name, arch, config, state):
    w = gguf.GGUFWriter(OUT / f"{name}.gguf", arch)
    skipped = 2 if name == "roberta" else 0  # its first text position; the converter drops the rows before
    w.add_context_length(config.max_position_embeddings - skipped)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_layer_norm_eps(config.norm_eps if arch == "modern-bert" else config.layer_norm_eps)
    w.add_causal_attention(False)
    w.add_vocab_size(VOCAB)
    w.add_pooling_type(gguf.PoolingType.MEAN)
    if arch != "modern-bert":
        w.add_token_type_count(config.type_vocab_size)
    if arch == "nomic-bert":
        w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if arch == "modern-bert":
        w.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
        w.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
        w.add_sliding_window(config.local_attention)
    if name == "bert":
        w.add_tokenizer_model("bert")
        w.add_token_list([t[2:] if t.startswith("##") else t if t in SPECIAL else "\u2581" + t for t in WORDS])
        w.add_token_types([3 if t in SPECIAL else 1 for t in WORDS])
        for key, token in (("bos", "[CLS]"), ("unknown", "[UNK]"), ("seperator", "[SEP]"), ("padding", "[PAD]")):
            w.add_uint32(f"tokenizer.ggml.{key}_token_id", WORDS.index(token))
    for key, tensor in state.items():
        if "position_embeddings" in key:
            tensor = tensor[skipped:]
        w.add_tensor(gguf_name(key), np.ascontiguousarray(tensor.numpy().astype(np.float32)))
    finish(w)


def write_tokenizer(path):
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_special_tokens([AddedToken(x, special=True) for x in SPECIAL])
    t.save(str(path))


def write_hub(name, model, config, state):
    folder = HUB / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "nomic-bert":
        (folder / "config.json").write_text(json.dumps(nomic_config(config), indent=2) + "\n")
    else:
        model.config.save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
    if name == "bert":
        write_tokenizer(folder / "tokenizer.json")
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps(
            dict(word_embedding_dimension=32, pooling_mode_cls_token=False, pooling_mode_mean_tokens=True), indent=2) + "\n")
        (folder / "sentence_bert_config.json").write_text(json.dumps(dict(max_seq_length=48, do_lower_case=False), indent=2) + "\n")


def write_expected(name, arch, model):
    tokens = torch.randint(5, VOCAB, (1, TOKENS), generator=torch.Generator().manual_seed(7))
    seen = {}
    layers = model.layers if hasattr(model, "layers") else model.encoder.layer
    layers[0].register_forward_pre_hook(lambda m, args, kw: seen.__setitem__("embed", args[0] if args else kw["hidden_states"]),
                                        with_kwargs=True)
    for n, layer in enumerate(layers):
        layer.register_forward_hook(lambda m, i, o, n=n: seen.__setitem__(f"layer.{n}", o[0] if isinstance(o, tuple) else o))
    with torch.no_grad():
        rows = model(tokens).last_hidden_state
    if arch == "modern-bert":
        seen["norm"] = rows
    w = gguf.GGUFWriter(OUT / f"{name}.expected.gguf", arch)
    w.add_tensor("tokens", tokens[0].numpy().astype(np.int32))
    for key, value in seen.items():
        w.add_tensor(key, value.reshape(TOKENS, -1).numpy().astype(np.float32))
    w.add_tensor("mean", rows[0].mean(0).numpy().astype(np.float32))
    w.add_tensor("first", rows[0, 0].numpy().astype(np.float32))
    w.add_tensor("last", rows[0, -1].numpy().astype(np.float32))
    finish(w)


def main(names):
    for name in names or MODELS:
        arch, cls, config = MODELS[name]
        model = build(cls, config)
        state = {k: v for k, v in model.state_dict().items() if not k.startswith("pooler.")}
        if name == "nomic-bert":
            state = nomic_names(state)
        write_gguf(name, arch, config, state)
        write_expected(name, arch, model)
        write_hub(name, model, config, model.state_dict() if name == "bert" else state)
        print(name, (OUT / f"{name}.gguf").stat().st_size, "bytes", sorted(gguf_name(k) for k in state if "layer" not in k))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
