// json_reader.cc -- builds the tree from nlohmann's events, so that limits hold before memory is taken.
#include "formats/json_reader.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "formats/byte_reader.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

class Builder {
 public:
  Builder(const std::string& what, const JsonLimits& limits) : what_(what), limits_(limits) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    // ordered_json searches an object from its beginning: this bounds the square of a bomb's keys.
    if (stack_.back()->size() >= kMostKeys) return stop(Code::too_long, "an object has too many keys");
    if (stack_.back()->contains(name)) return stop(Code::malformed, "key '" + printable(name) + "' appears twice");
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    return stop(Code::malformed, "no JSON, at byte " + std::to_string(at));
  }

  Expected<Json> take(bool is_whole) {
    if (error_) return *error_;
    if (!is_whole) return fail(Code::malformed, what_ + ": no JSON");
    return std::move(root_);
  }

 private:
  static constexpr std::size_t kMostKeys = 4096;

  bool stop(Code code, const std::string& text) {
    if (!error_) error_ = fail(code, what_ + ": " + text, what_);
    return false;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  bool add(Json value) {
    if (++values_ > limits_.values)
      return stop(Code::too_long, "more than " + std::to_string(limits_.values) + " values");
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (stack_.size() >= limits_.depth)
      return stop(Code::too_long, "nested more than " + std::to_string(limits_.depth) + " deep");
    if (++values_ > limits_.values)
      return stop(Code::too_long, "more than " + std::to_string(limits_.values) + " values");
    stack_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string what_, key_;
  JsonLimits limits_;
  std::size_t values_ = 0;
  Json root_;
  std::vector<Json*> stack_;  // a parent does not grow while a child is open, so that these stay valid
  std::optional<Error> error_;
};

}  // namespace

Expected<nlohmann::ordered_json> read_json(std::string_view text, const std::string& what, const JsonLimits& limits) {
  Builder builder(what, limits);
  const bool is_whole = Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take(is_whole);
}

}  // namespace heed
