// onnx_t5.cc -- finds every matrix by the name of its node, turns it round, and puts it into a GGUF type.
#include "formats/onnx_t5.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <optional>

#include "formats/byte_reader.h"
#include "formats/onnx.h"

namespace heed {
namespace {

constexpr std::string_view kOnnxSuffix = ".onnx";
constexpr std::size_t kMostT5TokenizerBytes = std::size_t{64} << 20, kT5SlackBytes = std::size_t{16} << 20;
constexpr std::int64_t kBlock = 32, kBlockBytes = 34;  // of Q8_0

// Parts of one block, as T5's modules are called.
constexpr std::pair<std::string_view, std::string_view> kParts[] = {
    {"SelfAttention/q", "attn_q"},         {"SelfAttention/k", "attn_k"},
    {"SelfAttention/v", "attn_v"},         {"SelfAttention/o", "attn_output"},
    {"EncDecAttention/q", "cross_attn_q"}, {"EncDecAttention/k", "cross_attn_k"},
    {"EncDecAttention/v", "cross_attn_v"}, {"EncDecAttention/o", "cross_attn_o"},
    {"DenseReluDense/wi_0", "ffn_gate"},   {"DenseReluDense/wi_1", "ffn_up"},
    {"DenseReluDense/wo", "ffn_down"},     {"SelfAttention/relative_attention_bias", "attn_rel_b"},
};

/// What stands between `before` and `after`.
std::optional<std::string_view> between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin + before.size());
  const std::size_t end = text.find(after);
  if (end == std::string_view::npos) return {};
  return text.substr(0, end);
}

/// "…/block.3/layer.1/EncDecAttention/q/…" of the decoder -> "dec.blk.3.cross_attn_q.weight". Names of initializers
/// have points between their parts.
std::optional<std::string> place_of(std::string name, bool is_decoder) {
  std::replace(name.begin(), name.end(), '/', '.');
  const std::string stack = is_decoder ? "dec." : "enc.";
  const auto block = between(name, "block.", "."), layer = between(name, "layer.", ".");
  if (!block) {
    if (name.find("final_layer_norm.weight") != std::string::npos) return stack + "output_norm.weight";
    if (name.find("lm_head.") != std::string::npos) return "output.weight";
    return {};
  }
  if (!layer) return {};
  const std::string prefix = stack + "blk." + std::string(*block) + ".";
  if (name.ends_with("layer_norm.weight")) {
    const bool is_last = *layer == (is_decoder ? "2" : "1");
    return prefix + (*layer == "0" ? "attn_norm" : is_last ? "ffn_norm" : "cross_attn_norm") + ".weight";
  }
  for (const auto& [module, part] : kParts) {
    std::string spelled(module);
    std::replace(spelled.begin(), spelled.end(), '/', '.');
    if (name.find("." + spelled + ".") != std::string::npos) return prefix + std::string(part) + ".weight";
  }
  return {};
}

/// Of a positive scale within f16's normal numbers, rounded to nearest even; larger and smaller ones saturate.
std::uint16_t half_of(float scale) {
  const auto bits = std::bit_cast<std::uint32_t>(scale);
  const std::int32_t exponent = static_cast<std::int32_t>(bits >> 23 & 255) - 127 + 15;
  if (exponent <= 0) return 1 << 10;
  if (exponent >= 31) return 0x7bff;
  const std::uint32_t kept = static_cast<std::uint32_t>(exponent) << 10 | (bits >> 13 & 1023), cut = bits & 8191;
  const bool rounds_up = cut > 4096 || (cut == 4096 && kept % 2 == 1);
  return static_cast<std::uint16_t>(kept + (rounds_up ? 1 : 0));
}

/// One quantized tensor: value = scale * (q - zero).
struct Quantized {
  const OnnxTensor* q = nullptr;
  float scale = 1.0f;
  std::int32_t zero = 0;

  std::int32_t integer(std::int64_t i) const {
    const auto byte = static_cast<std::uint8_t>(q->data[static_cast<std::size_t>(i)]);
    return (q->type == OnnxType::i8 ? static_cast<std::int8_t>(byte) : static_cast<std::int32_t>(byte)) - zero;
  }
};

}  // namespace

class OnnxT5Reader {
 public:
  OnnxT5Reader(const std::string& path, FileLayer& files) : path_(path), files_(files) {}

  Expected<OnnxT5> read() {
    std::string tokenizer;
    if (path_.ends_with(kOnnxSuffix)) {
      HEED_ASSIGN(tokenizer, read_file(path_));
    } else {
      for (const char* name : {"/encoder.onnx", "/decoder.onnx"}) {
        HEED_ASSIGN(tokenizer, read_file(path_ + name));
      }
      HEED_ASSIGN(const auto bytes, files_.read(path_ + "/tokenizer.json", kMostT5TokenizerBytes));
      tokenizer.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    HEED_TRY(out_.index_tensors());
    HEED_TRY(describe());
    out_.metadata_.insert("tokenizer.huggingface.json", std::move(tokenizer));
    return std::move(out_);
  }

 private:
  /// Adds the file's graphs; returns the text behind them.
  Expected<std::string> read_file(const std::string& path) {
    HEED_ASSIGN(const MappedFile file, files_.map(path));
    out_.file_bytes_ += file.bytes().size();
    auto rest = read_graphs(file.bytes());
    if (rest) return rest;
    return fail(rest.error().code, path + ": " + rest.error().text, path);
  }

  Expected<std::string> read_graphs(std::span<const std::byte> bytes) {
    HEED_ASSIGN(const OnnxFile file, parse_onnx(bytes));
    for (const OnnxGraph& graph : file.graphs) {
      const bool is_decoder = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const OnnxNode& node) {
        return node.name.find("EncDecAttention") != std::string_view::npos;
      });
      HEED_TRY(add_stack(graph, is_decoder));
    }
    return std::string(reinterpret_cast<const char*>(file.rest.data()), file.rest.size());
  }

  Expected<void> add_stack(const OnnxGraph& graph, bool is_decoder) {
    for (const OnnxNode& node : graph.nodes) {
      if ((node.op != "MatMulInteger" && node.op != "MatMul") || node.inputs.size() < 2) continue;
      if (!find(graph, node.inputs[1])) continue;  // a product of two activations
      if (const auto place = place_of(std::string(node.name), is_decoder))
        HEED_TRY(add(graph, node.inputs[1], *place, true));
    }
    for (const auto& [name, tensor] : graph.tensors) {
      std::string stem(name.substr(0, name.ends_with("_quantized") ? name.size() - 10 : name.size()));
      const bool is_table = stem.ends_with("embed_tokens.weight") || stem.ends_with("shared.weight");
      if (is_table && !is_decoder) HEED_TRY(add(graph, name, "token_embd.weight", false));
      if (is_table || !stem.ends_with(".weight")) continue;
      if (const auto place = place_of(stem, is_decoder)) HEED_TRY(add(graph, name, *place, false));
    }
    return {};
  }

  static const OnnxTensor* find(const OnnxGraph& graph, std::string_view name) {
    const auto it = graph.tensors.find(name);
    return it == graph.tensors.end() ? nullptr : &it->second;
  }

  /// `turned`: the graph multiplies from the left, so the file keeps [in, out].
  Expected<void> add(const OnnxGraph& graph, std::string_view name, const std::string& place, bool turned) {
    const OnnxTensor& t = *find(graph, name);
    const auto rank = t.dims.size();
    if (rank < 1 || rank > 2 || t.values() < 1 || (turned && rank != 2))
      return fail(Code::malformed, "onnx: tensor '" + printable(name) + "': expected a matrix or a vector",
                  std::string(name));
    if (t.type == OnnxType::f32) return add_floats(t, {}, place, turned);
    const std::string stem(name.substr(0, name.size() - (name.ends_with("_quantized") ? 10 : 0)));
    const OnnxTensor *scale = find(graph, stem + "_scale"), *zero = find(graph, stem + "_zero_point");
    if (!scale || scale->type != OnnxType::f32 || scale->values() != 1 || !zero || zero->values() != 1 ||
        zero->type == OnnxType::f32)
      return fail(Code::unsupported,
                  "onnx: tensor '" + printable(name) + "': expected one scale and one zero point beside it",
                  std::string(name));
    Quantized q{.q = &t};
    std::memcpy(&q.scale, scale->data.data(), sizeof(float));
    q.zero = Quantized{.q = zero}.integer(0);
    if (!(q.scale > 0.0f) || q.scale > 1e30f)
      return fail(Code::malformed, "onnx: tensor '" + printable(name) + "': its scale must be positive",
                  std::string(name));
    const bool fits = t.type == OnnxType::i8 && q.zero == 0 && rank == 2 && t.dims[turned ? 0 : 1] % kBlock == 0;
    return fits ? add_blocks(q, place, turned) : add_floats(t, q, place, turned);
  }

  /// Many nodes may name one tensor, which every one of them would turn round: real files take four times their size at
  /// most, bytes that become floats.
  Expected<Buffer> make_room(std::int64_t bytes) {
    made_bytes_ += static_cast<std::size_t>(bytes);
    if (made_bytes_ > 4 * out_.file_bytes_ + kT5SlackBytes)
      return fail(Code::too_long, "onnx: its weights would take more than four times the file's size + 16 MiB");
    return Buffer::make(static_cast<std::size_t>(bytes));
  }

  Expected<void> add_floats(const OnnxTensor& t, const Quantized& q, const std::string& place, bool turned) {
    const std::int64_t rows = t.dims.size() == 2 ? t.dims[0] : 1, cols = t.dims.back();
    HEED_ASSIGN(Buffer floats, make_room(rows * cols * static_cast<std::int64_t>(sizeof(float))));
    auto* out = reinterpret_cast<float*>(floats.data());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) {
        const std::int64_t i = r * cols + c;
        float value = 0;
        if (q.q)
          value = q.scale * static_cast<float>(q.integer(i));
        else
          std::memcpy(&value, t.data.data() + i * static_cast<std::int64_t>(sizeof(float)), sizeof(float));
        out[turned ? c * rows + r : i] = value;
      }
    Tensor tensor{.data = floats.data(), .dtype = DType::f32, .rank = static_cast<std::int32_t>(t.dims.size())};
    tensor.shape = t.dims.size() == 1 ? std::array<std::int64_t, 4>{cols}
                   : turned           ? std::array<std::int64_t, 4>{cols, rows}
                                      : std::array<std::int64_t, 4>{rows, cols};
    keep(place, tensor, std::move(floats));
    return {};
  }

  Expected<void> add_blocks(const Quantized& q, const std::string& place, bool turned) {
    const std::int64_t k = q.q->dims[turned ? 0 : 1], n = q.q->dims[turned ? 1 : 0];
    HEED_ASSIGN(Buffer blocks, make_room(n * (k / kBlock) * kBlockBytes));
    const std::uint16_t scale = half_of(q.scale);
    std::byte* out = blocks.data();
    for (std::int64_t row = 0; row < n; ++row)
      for (std::int64_t begin = 0; begin < k; begin += kBlock, out += kBlockBytes) {
        std::memcpy(out, &scale, sizeof(scale));
        for (std::int64_t i = 0; i < kBlock; ++i)
          out[2 + i] = static_cast<std::byte>(q.integer(turned ? (begin + i) * n + row : row * k + begin + i));
      }
    const Tensor tensor{.data = blocks.data(), .dtype = DType::q8_0, .rank = 2, .shape = {n, k}};
    keep(place, tensor, std::move(blocks));
    return {};
  }

  void keep(const std::string& place, const Tensor& tensor, Buffer data) {
    out_.tensors_.push_back({place, tensor});
    out_.replaced_.push_back(std::move(data));
  }

  Expected<const Tensor*> need(const std::string& name) {
    const Tensor* t = out_.find(name);
    if (!t || t->rank != 2) return fail(Code::malformed, path_ + ": no node of the graphs multiplies by " + name, name);
    return t;
  }

  std::int64_t blocks_of(const std::string& stack) const {
    std::int64_t n = 0;
    while (out_.find(stack + ".blk." + std::to_string(n) + ".attn_norm.weight")) ++n;
    return n;
  }

  Expected<void> describe() {
    HEED_ASSIGN(const Tensor* tokens, need("token_embd.weight"));
    HEED_ASSIGN(const Tensor* bias, need("enc.blk.0.attn_rel_b.weight"));
    HEED_ASSIGN(const Tensor* q, need("enc.blk.0.attn_q.weight"));
    HEED_ASSIGN(const Tensor* up, need("enc.blk.0.ffn_up.weight"));
    const std::int64_t heads = bias->shape[1], head_dim = q->shape[0] / heads;
    constexpr std::int64_t kContext = 512;  // what T5 was trained with; its positions have no end
    out_.format_ = "onnx";
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"t5.context_length", kContext},
        {"t5.embedding_length", tokens->shape[1]},
        {"t5.vocab_size", tokens->shape[0]},
        {"t5.block_count", blocks_of("enc")},
        {"t5.decoder_block_count", blocks_of("dec")},
        {"t5.feed_forward_length", up->shape[0]},
        {"t5.attention.head_count", heads},
        {"t5.attention.key_length", head_dim},
        {"t5.attention.value_length", head_dim},
        {"t5.attention.relative_buckets_count", bias->shape[0]},
        {"t5.decoder_start_token_id", 0},
    };
    for (const auto& [key, value] : sizes) out_.metadata_.insert(key, value);
    out_.metadata_.insert("general.architecture", std::string("t5"));
    out_.metadata_.insert("t5.attention.layer_norm_rms_epsilon", 1e-6);
    return {};
  }

  std::string path_;
  FileLayer& files_;
  std::size_t made_bytes_ = 0;
  OnnxT5 out_;
};

Expected<OnnxT5> OnnxT5::open(const std::string& path, FileLayer& files) try {
  return OnnxT5Reader(path, files).read();
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, path + ": not enough memory for the weights");
}

bool is_onnx_t5(const std::string& path, FileLayer& files) {
  if (path.ends_with(kOnnxSuffix)) return true;
  return files.size(path + "/encoder.onnx").has_value() && files.size(path + "/decoder.onnx").has_value();
}

}  // namespace heed
