#!/usr/bin/env python3
"""Tiny random T5s, 1.1 and 1.0, made by transformers: what its encoder's and its decoder's layers must give. Run in .oracles."""
import re
import sys

import gguf
import numpy as np
import torch
import transformers as tf
from models import OUT, VOCAB, finish

SOURCE, TARGET, LAYERS = 20, 12, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"
COMMON = dict(vocab_size=VOCAB, d_model=32, d_kv=16, d_ff=32, num_layers=LAYERS, num_heads=2, decoder_start_token_id=0,
              relative_attention_num_buckets=8, relative_attention_max_distance=128, attn_implementation="eager")
CONFIGS = {"t5": tf.T5Config(**COMMON, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
           "t5-relu": tf.T5Config(**COMMON, feed_forward_proj="relu")}
PARTS = {
    "SelfAttention.q": "attn_q", "SelfAttention.k": "attn_k", "SelfAttention.v": "attn_v", "SelfAttention.o": "attn_output",
    "SelfAttention.relative_attention_bias": "attn_rel_b", "EncDecAttention.q": "cross_attn_q", "EncDecAttention.k": "cross_attn_k",
    "EncDecAttention.v": "cross_attn_v", "EncDecAttention.o": "cross_attn_o", "DenseReluDense.wi_0": "ffn_gate",
    "DenseReluDense.wi_1": "ffn_up", "DenseReluDense.wi": "ffn_up", "DenseReluDense.wo": "ffn_down",
}
NORMS = {"encoder": ["attn_norm", "ffn_norm"], "decoder": ["attn_norm", "cross_attn_norm", "ffn_norm"]}


def gguf_name(name):
    top = {"shared.weight": "token_embd.weight", "lm_head.weight": "output.weight",
           "encoder.final_layer_norm.weight": "enc.output_norm.weight", "decoder.final_layer_norm.weight": "dec.output_norm.weight"}
    if name in top:
        return top[name]
    stack, block, layer, part = re.fullmatch(r"(encoder|decoder)\.block\.(\d+)\.layer\.(\d)\.(.*)\.weight", name).groups()
    part = NORMS[stack][int(layer)] if part == "layer_norm" else PARTS[part]
    return f"{stack[:3]}.blk.{block}.{part}.weight"


def write_weights(name, model):
    config = model.config
    w = gguf.GGUFWriter(OUT / f"{name}.gguf", "t5")
    w.add_context_length(128)
    w.add_embedding_length(config.d_model)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(config.d_ff)
    w.add_head_count(config.num_heads)
    w.add_key_length(config.d_kv)
    w.add_value_length(config.d_kv)
    w.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    w.add_relative_attn_buckets_count(config.relative_attention_num_buckets)
    w.add_decoder_start_token_id(0)
    w.add_vocab_size(VOCAB)
    w.add_tokenizer_model("t5")
    w.add_token_list(["<pad>", "</s>", "<unk>"] + ["\u2581" + c for c in LETTERS] + list(LETTERS) + [f"[{i}]" for i in range(VOCAB - 55)])
    w.add_token_scores([0.0] * 3 + [-1.0 - 0.1 * i for i in range(VOCAB - 3)])
    w.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.UNKNOWN] + [gguf.TokenType.NORMAL] * (VOCAB - 3))
    w.add_eos_token_id(1)
    w.add_unk_token_id(2)
    w.add_pad_token_id(0)
    w.add_add_eos_token(True)
    tied = config.scale_decoder_outputs  # transformers ties either kind, files of T5 1.1 have an output matrix
    for key, tensor in model.state_dict().items():
        if key not in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight") and not (tied and key == "lm_head.weight"):
            w.add_tensor(gguf_name(key), np.ascontiguousarray(tensor.numpy().astype(np.float32)))
    finish(w)


def write_expected(name, model):
    random = torch.Generator().manual_seed(7)
    source = torch.randint(0, VOCAB, (1, SOURCE), generator=random)
    source[0, -1] = 1  # a source ends with </s>
    target = torch.cat([torch.zeros(1, 1, dtype=torch.long), torch.randint(0, VOCAB, (1, TARGET - 1), generator=random)], 1)
    seen = {}
    for prefix, stack in (("source.", model.encoder), ("", model.decoder)):
        for n, block in enumerate(stack.block):
            block.register_forward_hook(
                lambda m, i, o, key=f"{prefix}layer.{n}": seen.__setitem__(key, o[0] if isinstance(o, tuple) else o))
    model.decoder.block[0].register_forward_pre_hook(
        lambda m, args, kw: seen.__setitem__("embed", args[0] if args else kw["hidden_states"]), with_kwargs=True)
    model.decoder.final_layer_norm.register_forward_hook(lambda m, i, o: seen.__setitem__("norm", o))
    with torch.no_grad():
        logits = model(input_ids=source, decoder_input_ids=target).logits
    w = gguf.GGUFWriter(OUT / f"{name}.expected.gguf", "t5")
    w.add_tensor("source", source[0].numpy().astype(np.int32))
    w.add_tensor("tokens", target[0].numpy().astype(np.int32))
    for key, value in seen.items():
        w.add_tensor(key, value.reshape(-1, model.config.d_model).numpy().astype(np.float32))
    w.add_tensor("logits", logits[0].numpy().astype(np.float32))
    finish(w)


def main(names):
    for name in names or CONFIGS:
        torch.manual_seed(1)
        model = tf.T5ForConditionalGeneration(CONFIGS[name]).eval()
        with torch.no_grad():
            for key, p in model.named_parameters():
                if p.ndim == 1:
                    p.add_(0.2 * torch.randn_like(p))
                elif "relative" in key or ".wi" in key or ".wo." in key:
                    p.mul_(4)
        write_weights(name, model)
        write_expected(name, model)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
