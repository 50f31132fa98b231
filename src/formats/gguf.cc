// gguf.cc -- GGUF header, tensor table and data section. Specification: ggml, docs/gguf.md, versions 1 to 3.
#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "formats/byte_reader.h"
#include "formats/gguf_metadata.h"

namespace heed {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF" read as little endian
// Name length, name, rank, one dimension, type, offset; lengths and dimensions take four bytes in version 1.
std::uint64_t min_tensor_bytes(const ByteReader& reader) noexcept { return 2 * reader.count_bytes() + 1 + 4 + 4 + 8; }
constexpr std::int64_t kMaxAlignment = 1 << 20;

// GGUF specification, enum ggml_type; the gaps are formats that were given up.
constexpr std::array<std::pair<std::uint32_t, DType>, 32> kTensorTypes = {{
    {0, DType::f32},     {1, DType::f16},      {2, DType::q4_0},   {3, DType::q4_1},    {6, DType::q5_0},
    {7, DType::q5_1},    {8, DType::q8_0},     {9, DType::q8_1},   {10, DType::q2_k},   {11, DType::q3_k},
    {12, DType::q4_k},   {13, DType::q5_k},    {14, DType::q6_k},  {15, DType::q8_k},   {16, DType::iq2_xxs},
    {17, DType::iq2_xs}, {18, DType::iq3_xxs}, {19, DType::iq1_s}, {20, DType::iq4_nl}, {21, DType::iq3_s},
    {22, DType::iq2_s},  {23, DType::iq4_xs},  {24, DType::i8},    {25, DType::i16},    {26, DType::i32},
    {27, DType::i64},    {28, DType::f64},     {29, DType::iq1_m}, {30, DType::bf16},   {34, DType::tq1_0},
    {35, DType::tq2_0},  {39, DType::mxfp4},
}};

std::optional<DType> dtype_of(std::uint32_t id) noexcept {
  for (const auto& [number, type] : kTensorTypes)
    if (number == id) return type;
  return std::nullopt;
}

struct Header {
  int version = 0;
  std::uint64_t tensor_count = 0, key_count = 0;
};

struct TensorInfo {
  std::uint64_t offset = 0;      // from the beginning of the data section
  std::uint64_t bytes = 0;       // > 0
  std::size_t described_at = 0;  // where its description stands in the file
};

struct Parsed {
  int version = 0;
  Metadata metadata;
  std::vector<NamedTensor> tensors;
};

Expected<Header> read_header(ByteReader& reader) {
  HEED_ASSIGN(const auto magic, reader.read<std::uint32_t>("the magic"));
  if (magic != kMagic) return reader.malformed("not a GGUF file: expected the bytes 'GGUF' at its beginning", 0);
  HEED_ASSIGN(const auto version, reader.read<std::uint32_t>("the version"));
  const std::uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3)
    return reader.unsupported(
        "the file is big-endian (version " + std::to_string(swapped) + "); heed reads little-endian", 4);
  if (version < 1 || version > 3)
    return reader.unsupported("expected version 1, 2 or 3, got " + std::to_string(version), 4);
  if (version == 1) reader.set_count_bytes(4);
  Header header{.version = static_cast<int>(version)};
  HEED_ASSIGN(header.tensor_count, reader.read_count("the tensor count"));
  HEED_ASSIGN(header.key_count, reader.read_count("the metadata count"));
  return header;
}

Expected<std::uint64_t> read_alignment(const ByteReader& reader, const Metadata& metadata) {
  constexpr const char* kKey = "general.alignment";
  const auto found = metadata.integer(kKey, 32, std::numeric_limits<std::int64_t>::min());
  if (!found) return reader.malformed(found.error().text, reader.at(), kKey);
  const std::int64_t alignment = *found;
  if (alignment < 8 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<std::uint64_t>(alignment)))
    return reader.malformed("key 'general.alignment': expected a power of two from 8 to " +
                                std::to_string(kMaxAlignment) + ", got " + std::to_string(alignment),
                            reader.at(), kKey);
  return static_cast<std::uint64_t>(alignment);
}

/// The tensor table: shapes and types in `tensors`, places in `infos`. Data pointers are set later.
class TensorTable {
 public:
  TensorTable(ByteReader& reader, MemoryBudget& budget) : reader_(reader), budget_(budget) {}

  Expected<void> read(std::uint64_t count) {
    if (count > reader_.left() / min_tensor_bytes(reader_))
      return reader_.malformed("the header says " + std::to_string(count) + " tensors, but only " +
                                   std::to_string(reader_.left()) + " bytes are left",
                               reader_.at());
    // + index entry, order of the overlap check, both built later
    const std::uint64_t each = sizeof(NamedTensor) + sizeof(TensorInfo) +
                               sizeof(std::pair<std::string_view, std::size_t>) + sizeof(std::size_t);
    HEED_TRY(budget_.charge(reader_, count, each, "the tensor table"));
    tensors.reserve(static_cast<std::size_t>(count));
    infos.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) HEED_TRY(read_one());
    return {};
  }

  std::vector<NamedTensor> tensors;
  std::vector<TensorInfo> infos;

 private:
  Expected<void> read_one() {
    TensorInfo place{.described_at = reader_.at()};
    HEED_ASSIGN(std::string name, read_gguf_name(reader_, budget_, "a tensor name"));
    Tensor tensor;
    HEED_TRY(read_shape(name, tensor));
    HEED_TRY(read_type(name, tensor));
    HEED_ASSIGN(place.bytes, data_bytes(name, tensor, place.described_at));
    HEED_ASSIGN(place.offset, reader_.read<std::uint64_t>("a tensor's offset"));
    tensors.push_back(NamedTensor{std::move(name), tensor});
    infos.push_back(place);
    return {};
  }

  static std::string label(const std::string& name) { return "tensor '" + printable(name) + "'"; }

  Expected<void> read_shape(const std::string& name, Tensor& tensor) {
    const std::size_t offset = reader_.at();
    HEED_ASSIGN(const auto rank, reader_.read<std::uint32_t>("a tensor's rank"));
    if (rank < 1 || rank > 4)
      return reader_.malformed(label(name) + ": expected a rank from 1 to 4, got " + std::to_string(rank), offset,
                               name);
    tensor.rank = static_cast<std::int32_t>(rank);
    for (std::uint32_t i = 0; i < rank; ++i) {
      const std::size_t at = reader_.at();
      HEED_ASSIGN(const auto count, reader_.read_count("a tensor's dimension"));
      const auto dim = static_cast<std::int64_t>(count);
      if (dim <= 0)
        return reader_.malformed(label(name) + ": expected dimensions of at least 1, got " + std::to_string(dim), at,
                                 name);
      tensor.shape[rank - 1 - i] = dim;
    }
    return {};
  }

  Expected<void> read_type(const std::string& name, Tensor& tensor) {
    const std::size_t offset = reader_.at();
    HEED_ASSIGN(const auto id, reader_.read<std::uint32_t>("a tensor's type"));
    const std::optional<DType> type = dtype_of(id);
    if (!type)
      return reader_.unsupported(label(name) + ": heed has no code for tensor type " + std::to_string(id), offset,
                                 name);
    tensor.dtype = *type;
    const DTypeInfo& kind = info(*type);
    if (tensor.cols() % kind.block != 0)
      return reader_.malformed(label(name) + ": " + std::string(kind.name) + " rows hold a multiple of " +
                                   std::to_string(kind.block) + " values, got " + std::to_string(tensor.cols()),
                               offset, name);
    return {};
  }

  Expected<std::uint64_t> data_bytes(const std::string& name, const Tensor& tensor, std::size_t offset) {
    const DTypeInfo& kind = info(tensor.dtype);
    std::int64_t bytes = 0, values = 1;
    bool overflows = __builtin_mul_overflow(tensor.cols() / kind.block, std::int64_t{kind.block_bytes}, &bytes);
    for (std::int32_t i = 0; i < tensor.rank; ++i) {
      const std::int64_t dim = tensor.shape[static_cast<std::size_t>(i)];
      overflows = overflows || __builtin_mul_overflow(values, dim, &values);
      if (i + 1 < tensor.rank) overflows = overflows || __builtin_mul_overflow(bytes, dim, &bytes);
    }
    if (overflows) return reader_.malformed(label(name) + ": its dimensions multiply to more than 2^63", offset, name);
    return static_cast<std::uint64_t>(bytes);
  }

  ByteReader& reader_;
  MemoryBudget& budget_;
};

Expected<void> check_overlaps(const ByteReader& reader, const TensorTable& table) {
  std::vector<std::size_t> order(table.infos.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(table.infos[a].offset, a) < std::pair(table.infos[b].offset, b);
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& before = table.infos[order[i - 1]];
    const TensorInfo& after = table.infos[order[i]];
    if (before.offset + before.bytes <= after.offset) continue;
    const std::string& name = table.tensors[order[i]].name;
    return reader.malformed(
        "tensor '" + printable(name) + "' overlaps tensor '" + printable(table.tensors[order[i - 1]].name) + "'",
        after.described_at, name);
  }
  return {};
}

/// Sets the data pointers: every tensor aligned, inside `bytes`, and apart from the others.
Expected<void> place_tensors(const ByteReader& reader, std::span<const std::byte> bytes, std::uint64_t alignment,
                             TensorTable& table) {
  if (table.tensors.empty()) return {};  // a vocabulary-only file may end without padding
  const std::uint64_t begin = (reader.at() + alignment - 1) & ~(alignment - 1);
  const std::uint64_t room = begin > bytes.size() ? 0 : bytes.size() - begin;
  for (std::size_t i = 0; i < table.tensors.size(); ++i) {
    const TensorInfo& place = table.infos[i];
    NamedTensor& named = table.tensors[i];
    const std::string label = "tensor '" + printable(named.name) + "'";
    if (place.offset % alignment != 0)
      return reader.malformed(label + ": its offset " + std::to_string(place.offset) +
                                  " is not a multiple of the alignment " + std::to_string(alignment),
                              place.described_at, named.name);
    if (place.offset > room || place.bytes > room - place.offset)
      return reader.malformed(label + ": its " + std::to_string(place.bytes) + " bytes at data offset " +
                                  std::to_string(place.offset) + " pass the file's end (" + std::to_string(room) +
                                  " bytes of data)",
                              place.described_at, named.name);
    named.tensor.data = bytes.data() + begin + place.offset;
  }
  return check_overlaps(reader, table);
}

Expected<Parsed> parse_bytes(std::span<const std::byte> bytes) {
  ByteReader reader("gguf", bytes);
  MemoryBudget budget(bytes.size());
  HEED_ASSIGN(const Header header, read_header(reader));
  Parsed parsed{.version = header.version};
  HEED_ASSIGN(parsed.metadata, read_gguf_metadata(reader, budget, header.key_count));
  HEED_ASSIGN(const std::uint64_t alignment, read_alignment(reader, parsed.metadata));
  TensorTable table(reader, budget);
  HEED_TRY(table.read(header.tensor_count));
  HEED_TRY(place_tensors(reader, bytes, alignment, table));
  parsed.tensors = std::move(table.tensors);
  return parsed;
}

}  // namespace

std::optional<std::uint32_t> gguf_type_number(DType type) noexcept {
  for (const auto& [number, known] : kTensorTypes)
    if (known == type) return number;
  return std::nullopt;
}

Expected<GgufFile> GgufFile::parse(std::span<const std::byte> bytes) try {
  HEED_ASSIGN(Parsed parsed, parse_bytes(bytes));
  GgufFile out;
  out.format_ = "gguf";
  out.file_bytes_ = bytes.size();
  out.version_ = parsed.version;
  out.metadata_ = std::move(parsed.metadata);
  out.tensors_ = std::move(parsed.tensors);
  HEED_TRY(out.index_tensors());
  return out;
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, "gguf: not enough memory for the metadata");
}

Expected<GgufFile> GgufFile::open_one(const std::string& path, FileLayer& files) {
  HEED_ASSIGN(MappedFile file, files.map(path));
  Expected<GgufFile> out = parse(file.bytes());
  if (!out) {
    Error error = std::move(out).error();
    error.text = path + ": " + error.text;
    if (error.where.empty()) error.where = path;
    return error;
  }
  out->files_.push_back(std::move(file));
  return out;
}

}  // namespace heed
