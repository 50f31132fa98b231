// llama2c.cc -- the header says all: where every matrix lies follows from it, and so does the file's length.
#include "formats/llama2c.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>

#include "formats/byte_reader.h"

namespace heed {
namespace {

constexpr std::int64_t kHeadStep = 16, kFfnStep = 32;  // what the kernels take
constexpr std::int64_t kHeaderBytes = 7 * 4, kFloatBytes = 4;
constexpr std::uint32_t kLaterMagic = 0x616b3432;  // "ak42" of versions 1 and 2
constexpr std::size_t kMostTokenizerBinBytes = std::size_t{256} << 20;

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

struct CheckpointHeader {
  std::int64_t dim, ffn_dim, layers, heads, kv_heads, vocab, context;
  bool has_output;

  std::int64_t head_dim() const { return dim / heads; }
};

/// One axis of a matrix: `groups` of `size` numbers, each filled up to `padded`.
struct Axis {
  std::int64_t groups = 1, size = 1, padded = 1;

  static Axis plain(std::int64_t n) { return {.groups = 1, .size = n, .padded = n}; }
  std::int64_t values() const { return groups * size; }
  std::int64_t padded_values() const { return groups * padded; }
  bool is_plain() const { return size == padded; }
};

/// One run of the file: the same weight of every layer, or one of the model.
struct Run {
  const char* name;  // "": RoPE's tables, which every engine computes itself
  Axis rows, cols;
  std::int64_t layers;  // 0: the model's
  bool is_vector = false;

  std::int64_t values() const { return rows.values() * cols.values(); }
  std::int64_t padded_values() const { return rows.padded_values() * cols.padded_values(); }
  bool is_plain() const { return rows.is_plain() && cols.is_plain(); }
  std::int64_t copies() const { return layers > 0 ? layers : 1; }
};

std::vector<Run> runs_of(const CheckpointHeader& h) {
  const Axis dim = Axis::plain(h.dim), vocab = Axis::plain(h.vocab), one = Axis::plain(1);
  const Axis q = {h.heads, h.head_dim(), round_up(h.head_dim(), kHeadStep)};
  const Axis kv = {h.kv_heads, h.head_dim(), round_up(h.head_dim(), kHeadStep)};
  const Axis ffn = {1, h.ffn_dim, round_up(h.ffn_dim, kFfnStep)};
  std::vector<Run> runs = {{"token_embd.weight", vocab, dim, 0},
                           {"attn_norm.weight", one, dim, h.layers, true},
                           {"attn_q.weight", q, dim, h.layers},
                           {"attn_k.weight", kv, dim, h.layers},
                           {"attn_v.weight", kv, dim, h.layers},
                           {"attn_output.weight", dim, q, h.layers},
                           {"ffn_norm.weight", one, dim, h.layers, true},
                           {"ffn_gate.weight", ffn, dim, h.layers},
                           {"ffn_down.weight", dim, ffn, h.layers},
                           {"ffn_up.weight", ffn, dim, h.layers},
                           {"output_norm.weight", one, dim, 0, true},
                           {"", Axis::plain(h.context), Axis::plain(h.head_dim() / 2 * 2), 0}};
  if (h.has_output) runs.push_back({"output.weight", vocab, dim, 0});
  return runs;
}

std::int64_t file_bytes_of(const CheckpointHeader& h) {
  std::int64_t values = 0;
  for (const Run& run : runs_of(h)) values += run.copies() * run.values();
  return kHeaderBytes + values * kFloatBytes;
}

Expected<CheckpointHeader> read_checkpoint_header(std::span<const std::byte> bytes) {
  struct Field {
    const char* name;
    std::int64_t low, high;
    std::int64_t CheckpointHeader::* place;
  };
  constexpr Field kFields[] = {
      {"dim", 32, 1 << 16, &CheckpointHeader::dim},         {"hidden_dim", 32, 1 << 20, &CheckpointHeader::ffn_dim},
      {"n_layers", 1, 1024, &CheckpointHeader::layers},     {"n_heads", 1, 1024, &CheckpointHeader::heads},
      {"n_kv_heads", 1, 1024, &CheckpointHeader::kv_heads}, {"vocab_size", 1, 1 << 22, &CheckpointHeader::vocab},
      {"seq_len", 1, 1 << 24, &CheckpointHeader::context}};
  ByteReader reader("llama2.c", bytes);
  CheckpointHeader h{};
  for (const Field& field : kFields) {
    const std::size_t at = reader.at();
    HEED_ASSIGN(const auto raw, reader.read<std::int32_t>("the header"));
    if (at == 0 && static_cast<std::uint32_t>(raw) == kLaterMagic)
      return reader.unsupported("heed reads checkpoints of version 0 (`export.py --version 0`), not later ones", at);
    const bool is_vocab = field.place == &CheckpointHeader::vocab;
    if (is_vocab) h.has_output = raw < 0;
    const std::int64_t value = is_vocab ? std::abs(std::int64_t{raw}) : raw;
    if (value < field.low || value > field.high)
      return reader.malformed(std::string(field.name) + ": expected " + std::to_string(field.low) + " to " +
                                  std::to_string(field.high) + ", got " + std::to_string(raw),
                              at, field.name);
    h.*field.place = value;
  }
  if (h.dim % h.heads != 0 || h.head_dim() % 2 != 0 || h.head_dim() < kHeadStep / 2)
    return reader.malformed("n_heads: expected heads of an even size of at least 8, got dim " + std::to_string(h.dim) +
                                " of " + std::to_string(h.heads) + " heads",
                            12, "n_heads");
  if (h.heads % h.kv_heads != 0)
    return reader.malformed(
        "n_kv_heads: expected a divisor of " + std::to_string(h.heads) + ", got " + std::to_string(h.kv_heads), 16,
        "n_kv_heads");
  return h;
}

Metadata metadata_of(const CheckpointHeader& h) {
  const std::int64_t head = round_up(h.head_dim(), kHeadStep);
  Metadata m;
  m.insert("general.architecture", std::string("llama"));
  m.insert("general.name", std::string("llama2.c"));
  for (const auto& [key, value] : {std::pair{"embedding_length", h.dim},
                                   {"feed_forward_length", round_up(h.ffn_dim, kFfnStep)},
                                   {"block_count", h.layers},
                                   {"context_length", h.context},
                                   {"vocab_size", h.vocab},
                                   {"attention.head_count", h.heads},
                                   {"attention.head_count_kv", h.kv_heads},
                                   {"attention.key_length", head},
                                   {"attention.value_length", head},
                                   {"rope.dimension_count", h.head_dim()}})
    m.insert(std::string("llama.") + key, value);
  m.insert("llama.attention.layer_norm_rms_epsilon", 1e-5);
  if (head != h.head_dim()) m.insert("llama.attention.scale", 1.0 / std::sqrt(static_cast<double>(h.head_dim())));
  return m;
}

/// llama2.c writes a space where SentencePiece writes U+2581, and control tokens between line ends.
std::string spelled(std::string_view text) {
  if (text == "\n<s>\n") return "<s>";
  if (text == "\n</s>\n") return "</s>";
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += "\xE2\x96\x81";
    } else {
      out += c;
    }
  }
  return out;
}

bool is_byte_token(std::string_view text) { return text.size() == 6 && text.starts_with("<0x") && text.back() == '>'; }

Expected<void> read_tokenizer(std::span<const std::byte> bytes, std::int64_t vocab, Metadata& m) {
  constexpr std::int64_t kUnknown = 2, kControl = 3, kByte = 6, kNormal = 1;  // GGUF's token types
  constexpr std::int32_t kMostTokenBytes = 1024;
  ByteReader reader("llama2.c tokenizer", bytes);
  HEED_ASSIGN([[maybe_unused]] const auto longest, reader.read<std::int32_t>("the longest token's length"));
  if (static_cast<std::uint64_t>(vocab) > reader.left() / 8)
    return reader.malformed(
        "expected " + std::to_string(vocab) + " tokens, got " + std::to_string(reader.left()) + " bytes", reader.at());
  TextList tokens;
  std::vector<double> scores;
  std::vector<std::int64_t> types;
  for (std::int64_t i = 0; i < vocab; ++i) {
    HEED_ASSIGN(const auto score, reader.read<float>("a token's score"));
    const std::size_t at = reader.at();
    HEED_ASSIGN(const auto length, reader.read<std::int32_t>("a token's length"));
    if (length < 0 || length > kMostTokenBytes)
      return reader.malformed(
          "token " + std::to_string(i) + ": expected 0 to 1024 bytes, got " + std::to_string(length), at);
    HEED_ASSIGN(const std::string_view text, reader.take(static_cast<std::uint64_t>(length), "a token"));
    tokens.push_back(spelled(text));
    scores.push_back(score);
    types.push_back(i == 0 ? kUnknown : i <= 2 ? kControl : is_byte_token(text) ? kByte : kNormal);
  }
  if (reader.left() > 0)
    return reader.malformed("expected the end after " + std::to_string(vocab) + " tokens, got " +
                                std::to_string(reader.left()) + " more bytes",
                            reader.at());
  m.insert("tokenizer.ggml.model", std::string("llama"));
  m.insert("tokenizer.ggml.tokens", MetaArray(std::move(tokens)));
  m.insert("tokenizer.ggml.scores", MetaArray(std::move(scores)));
  m.insert("tokenizer.ggml.token_type", MetaArray(std::move(types)));
  m.insert("tokenizer.ggml.unknown_token_id", std::int64_t{0});
  m.insert("tokenizer.ggml.bos_token_id", std::int64_t{1});
  m.insert("tokenizer.ggml.eos_token_id", std::int64_t{2});
  if (vocab > 1) m.insert("tokenizer.ggml.eot_token_id", std::int64_t{1});  // its stories end where the next begins
  return {};
}

/// Copies a run's next matrix into zeros.
void fill_up(const Run& run, const std::byte* from, std::byte* to) {
  const auto stride = run.cols.padded_values() * kFloatBytes, part = run.cols.size * kFloatBytes;
  for (std::int64_t r = 0; r < run.rows.values(); ++r) {
    const std::int64_t row = r / run.rows.size * run.rows.padded + r % run.rows.size;
    for (std::int64_t g = 0; g < run.cols.groups; ++g, from += part)
      std::memcpy(to + row * stride + g * run.cols.padded * kFloatBytes, from, static_cast<std::size_t>(part));
  }
}

Tensor tensor_of(const Run& run, const std::byte* data) {
  if (run.is_vector) return {.data = data, .dtype = DType::f32, .rank = 1, .shape = {run.cols.padded_values()}};
  return {.data = data, .dtype = DType::f32, .rank = 2, .shape = {run.rows.padded_values(), run.cols.padded_values()}};
}

std::int64_t filled_up_bytes(const CheckpointHeader& h) {
  std::int64_t values = 0;
  for (const Run& run : runs_of(h))
    if (!run.is_plain()) values += run.copies() * run.padded_values();
  return values * kFloatBytes;
}

}  // namespace

bool is_llama2c(std::span<const std::byte> checkpoint) {
  const auto header = read_checkpoint_header(checkpoint);
  if (!header) return header.error().code == Code::unsupported;
  return file_bytes_of(*header) == static_cast<std::int64_t>(checkpoint.size());
}

Expected<Llama2cFile> Llama2cFile::parse(std::span<const std::byte> checkpoint,
                                         std::span<const std::byte> tokenizer) try {
  HEED_ASSIGN(const CheckpointHeader header, read_checkpoint_header(checkpoint));
  if (file_bytes_of(header) != static_cast<std::int64_t>(checkpoint.size()))
    return fail(Code::malformed, "llama2.c: the header describes " + std::to_string(file_bytes_of(header)) +
                                     " bytes, the file has " + std::to_string(checkpoint.size()));
  Llama2cFile out;
  out.format_ = "llama2.c";
  out.file_bytes_ = checkpoint.size();
  out.metadata_ = metadata_of(header);
  HEED_TRY(read_tokenizer(tokenizer, header.vocab, out.metadata_));
  std::byte* room = nullptr;
  if (const std::int64_t bytes = filled_up_bytes(header); bytes > 0) {
    HEED_ASSIGN(out.filled_up_, Buffer::make(static_cast<std::size_t>(bytes)));
    room = out.filled_up_.data();
  }
  const std::byte* at = checkpoint.data() + kHeaderBytes;
  for (const Run& run : runs_of(header)) {
    for (std::int64_t i = 0; i < run.copies(); ++i, at += run.values() * kFloatBytes) {
      if (*run.name == '\0') continue;
      const std::byte* data = at;
      if (!run.is_plain()) {
        fill_up(run, at, room);
        data = room;
        room += run.padded_values() * kFloatBytes;
      }
      const std::string prefix = run.layers > 0 ? "blk." + std::to_string(i) + "." : "";
      out.tensors_.push_back({prefix + run.name, tensor_of(run, data)});
    }
  }
  HEED_TRY(out.index_tensors());
  return out;
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, "llama2.c: not enough memory for the vocabulary");
}

Expected<Llama2cFile> Llama2cFile::open(const std::string& path, FileLayer& files) {
  HEED_ASSIGN(MappedFile file, files.map(path));
  const auto header = read_checkpoint_header(file.bytes());
  if (!header) return in_file(path, header.error());
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string beside = folder.empty() ? "" : folder + "/";
  std::string name = beside + "tok" + std::to_string(header->vocab) + ".bin";
  if (!files.size(name)) name = beside + "tokenizer.bin";
  const auto tokenizer = files.read(name, kMostTokenizerBinBytes);
  if (!tokenizer)
    return fail(tokenizer.error().code,
                path + ": its vocabulary must stand beside it as tok" + std::to_string(header->vocab) +
                    ".bin or tokenizer.bin: " + tokenizer.error().text,
                name);
  auto out = parse(file.bytes(), *tokenizer);
  if (!out) {
    const bool is_vocabulary = out.error().text.starts_with("llama2.c tokenizer");
    return in_file(is_vocabulary ? name : path, std::move(out).error());
  }
  out->files_.push_back(std::move(file));
  return out;
}

}  // namespace heed
