// safetensors.cc -- the table is read as a stream of events: nothing is built but the tensors themselves.
#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/byte_reader.h"

namespace heed {
namespace {

constexpr std::uint64_t kMostTableBytes = 100'000'000;  // the format's own limit
constexpr std::size_t kMostNameBytes = 1024;
constexpr std::size_t kSlackBytes = std::size_t{16} << 20;

constexpr auto kTypes = std::to_array<std::pair<std::string_view, DType>>({{"F64", DType::f64},
                                                                           {"F32", DType::f32},
                                                                           {"F16", DType::f16},
                                                                           {"BF16", DType::bf16},
                                                                           {"I64", DType::i64},
                                                                           {"I32", DType::i32},
                                                                           {"I16", DType::i16},
                                                                           {"I8", DType::i8}});

struct Entry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::uint64_t> offsets;
  bool has_shape = false, has_offsets = false;
};

/// Takes the table's events. Depth 1: names; 2: fields; 3: their arrays. "__metadata__" holds texts, which are not
/// kept.
class Table {
 public:
  explicit Table(std::size_t file_bytes) : most_entries_((file_bytes + kSlackBytes) / kEntryBytes) {}

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a bool"); }
  bool number_integer(std::int64_t) { return refuse("a negative number"); }
  bool number_float(double, const std::string&) { return refuse("a fraction"); }
  bool binary(nlohmann::json::binary_t&) { return false; }

  bool number_unsigned(std::uint64_t value) {
    if (depth_ != 3) return refuse("a number");
    if (field_ == "shape") {
      if (entry_.shape.size() == kMostRank)
        return stop(Code::unsupported, label() + ": heed has no code for more than 4 dimensions");
      if (value == 0 || value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return stop(Code::malformed, label() + ": expected dimensions of 1 to 2^63, got " + std::to_string(value));
      entry_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (entry_.offsets.size() == 2) return stop(Code::malformed, label() + ": expected two data_offsets, got more");
    entry_.offsets.push_back(value);
    return true;
  }

  bool string(std::string& value) {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || field_ != "dtype") return refuse("a text");
    entry_.dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) {
    if (++depth_ == 1) return true;
    return depth_ == 2 || refuse("an object");
  }

  bool key(std::string& name) {
    if (depth_ == 1) return begin_entry(name);
    if (in_metadata_) return true;
    field_ = std::move(name);
    const bool is_new = field_ == "dtype"          ? entry_.dtype.empty()
                        : field_ == "shape"        ? !entry_.has_shape
                        : field_ == "data_offsets" ? !entry_.has_offsets
                                                   : false;
    return is_new || stop(Code::malformed, label() + ": field '" + printable(field_) + "' appears twice or is unknown");
  }

  bool end_object() {
    if (--depth_ != 1) return true;
    if (std::exchange(in_metadata_, false)) return true;
    if (entry_.dtype.empty() || !entry_.has_shape || entry_.offsets.size() != 2)
      return stop(Code::malformed, label() + ": expected a dtype, a shape and two data_offsets");
    entries_.push_back(std::move(entry_));
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ != 2 || in_metadata_ || (field_ != "shape" && field_ != "data_offsets")) return refuse("an array");
    (field_ == "shape" ? entry_.has_shape : entry_.has_offsets) = true;
    ++depth_;
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    return stop(Code::malformed, "the table is no JSON, at byte " + std::to_string(at));
  }

  const std::optional<Error>& error() const { return error_; }
  std::vector<Entry>& entries() { return entries_; }

 private:
  static constexpr std::size_t kMostRank = 4;
  static constexpr std::size_t kEntryBytes = sizeof(Entry) + sizeof(NamedTensor) + 96;  // + index, order of the check

  std::string label() const { return "tensor '" + printable(entry_.name) + "'"; }
  bool stop(Code code, const std::string& text) {
    if (!error_) error_ = fail(code, "safetensors: " + text, entry_.name);
    return false;
  }
  bool refuse(const char* got) {
    const std::string place = entry_.name.empty() ? "the table" : label();
    return stop(Code::malformed, place + ": expected an object of dtype, shape and data_offsets, got " + got);
  }
  bool begin_entry(std::string& name) {
    entry_ = {};
    in_metadata_ = name == "__metadata__";
    if (in_metadata_) {
      if (std::exchange(saw_metadata_, true)) return stop(Code::malformed, "'__metadata__' appears twice");
      return true;
    }
    entry_.name = std::move(name);
    if (entry_.name.empty() || entry_.name.size() > kMostNameBytes)
      return stop(Code::malformed,
                  "expected tensor names of 1 to 1024 bytes, got " + std::to_string(entry_.name.size()) + " bytes");
    if (entries_.size() >= most_entries_)
      return stop(Code::too_long, "the table would take more memory than the file's size + 16 MiB");
    return true;
  }

  std::size_t most_entries_;
  int depth_ = 0;
  bool in_metadata_ = false, saw_metadata_ = false;
  std::string field_;
  Entry entry_;
  std::vector<Entry> entries_;
  std::optional<Error> error_;
};

Expected<DType> dtype_of(const Entry& entry) {
  for (const auto& [name, type] : kTypes)
    if (name == entry.dtype) return type;
  return fail(
      Code::unsupported,
      "safetensors: tensor '" + printable(entry.name) + "': heed has no code for the type " + printable(entry.dtype),
      entry.name);
}

/// Shape and type; the range must hold exactly as many bytes.
Expected<Tensor> tensor_of(const Entry& entry) {
  Tensor t;
  HEED_ASSIGN(t.dtype, dtype_of(entry));
  t.rank = std::max<std::int32_t>(static_cast<std::int32_t>(entry.shape.size()), 1);
  t.shape[0] = 1;
  std::copy(entry.shape.begin(), entry.shape.end(), t.shape.begin());
  std::uint64_t bytes = static_cast<std::uint64_t>(info(t.dtype).block_bytes);
  bool overflows = false;
  for (const std::int64_t dim : entry.shape)
    overflows = overflows || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes);
  overflows = overflows || bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (overflows || begin > end || end - begin != bytes)
    return fail(Code::malformed,
                "safetensors: tensor '" + printable(entry.name) + "': its shape takes " +
                    (overflows ? "more than 2^63" : std::to_string(bytes)) + " bytes, its data_offsets are " +
                    std::to_string(begin) + " to " + std::to_string(end),
                entry.name);
  return t;
}

/// The ranges, in order, must follow one another from 0 to the end.
Expected<void> check_ranges(const std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::vector<const Entry*> order;
  order.reserve(entries.size());
  for (const Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->offsets[0] < b->offsets[0]; });
  std::uint64_t at = 0;
  for (const Entry* entry : order) {
    const std::string label = "safetensors: tensor '" + printable(entry->name) + "'";
    const std::uint64_t begin = entry->offsets[0], end = entry->offsets[1];
    if (end > data_bytes)
      return fail(Code::malformed,
                  label + ": its data end at " + std::to_string(end) + ", the file has " + std::to_string(data_bytes) +
                      " bytes of data",
                  entry->name);
    if (begin != at)
      return fail(Code::malformed,
                  label + ": its data begin at " + std::to_string(begin) + ", the tensor before ends at " +
                      std::to_string(at) + (begin < at ? ": they overlap" : ": there is a gap"),
                  entry->name);
    at = end;
  }
  if (at == data_bytes) return {};
  return fail(Code::malformed, "safetensors: the tensors end at " + std::to_string(at) + ", the file has " +
                                   std::to_string(data_bytes) + " bytes of data");
}

/// Behind it the reader stands at the first tensor's data.
Expected<void> read_table(ByteReader& reader, Table& table) {
  HEED_ASSIGN(const auto table_bytes, reader.read<std::uint64_t>("the table's length"));
  if (table_bytes > kMostTableBytes)
    return reader.too_long("expected a table of at most 100 MB, got " + std::to_string(table_bytes) + " bytes", 0);
  HEED_ASSIGN(const std::string_view text, reader.take(table_bytes, "the table"));
  if (!text.starts_with('{'))
    return reader.malformed("not a safetensors file: expected a table that begins with '{'", 8);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &table) || table.error())
    return table.error() ? *table.error() : fail(Code::malformed, "safetensors: the table is no JSON");
  return {};
}

Error no_memory() { return fail(Code::out_of_memory, "safetensors: not enough memory for the table"); }

}  // namespace

Expected<std::size_t> safetensors_bytes(std::span<const std::byte> bytes) try {
  ByteReader reader("safetensors", bytes);
  Table table(bytes.size());
  HEED_TRY(read_table(reader, table));
  std::uint64_t end = 0;
  for (const Entry& entry : table.entries()) end = std::max(end, entry.offsets[1]);
  return reader.at() + static_cast<std::size_t>(std::min<std::uint64_t>(end, reader.left()));
} catch (const std::bad_alloc&) {
  return no_memory();
}

Expected<std::vector<NamedTensor>> parse_safetensors(std::span<const std::byte> bytes) try {
  ByteReader reader("safetensors", bytes);
  Table table(bytes.size());
  HEED_TRY(read_table(reader, table));
  std::vector<NamedTensor> out;
  out.reserve(table.entries().size());
  for (const Entry& entry : table.entries()) {
    HEED_ASSIGN(Tensor tensor, tensor_of(entry));
    out.push_back({entry.name, tensor});
  }
  HEED_TRY(check_ranges(table.entries(), reader.left()));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].tensor.data = bytes.data() + reader.at() + table.entries()[i].offsets[0];
  std::vector<std::string_view> names;
  names.reserve(out.size());
  for (const NamedTensor& named : out) names.push_back(named.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end())
    return fail(Code::malformed, "safetensors: tensor name '" + printable(*twin) + "' appears twice",
                std::string(*twin));
  return out;
} catch (const std::bad_alloc&) {
  return no_memory();
}

}  // namespace heed
