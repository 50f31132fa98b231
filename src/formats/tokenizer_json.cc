// tokenizer_json.cc -- one pass of events: the two long lists never become a tree, and limits stop at once.
#include "formats/tokenizer_json.h"

#include <string>
#include <utility>

namespace heed {
namespace {

using SortedJson = nlohmann::json;

constexpr std::size_t kMostDepth = 64, kMostValues = std::size_t{1} << 22, kMostBytes = std::size_t{1} << 29;

class Reader final : public nlohmann::json_sax<SortedJson> {
 public:
  TokenizerJson out;
  Error error;

  bool null() override { return value(nullptr, "null"); }
  bool boolean(bool flag) override { return value(flag, "a bool"); }
  bool number_integer(number_integer_t number) override { return numeric(number, static_cast<double>(number)); }
  bool number_unsigned(number_unsigned_t number) override { return numeric(number, static_cast<double>(number)); }
  bool number_float(number_float_t number, const string_t&) override { return numeric(number, number); }
  bool binary(binary_t&) override { return stop(Code::malformed, "expected JSON, got binary"); }

  bool string(string_t& text) override {
    if (list_ == List::none) return add(std::move(text));
    if (list_ == List::merges) return merge(text);
    if (!out.has_scores || depth_ != kListDepth + 1 || pair_ != 0) return refuse("a text");
    ++pair_;
    out.tokens.push_back(text);
    return true;
  }

  bool key(string_t& name) override {
    if (list_ == List::vocabulary) {
      if (depth_ != kListDepth || out.has_scores || out.tokens.size() != out.numbers.size()) return refuse("an object");
      out.tokens.push_back(name);
      return true;
    }
    if (list_ == List::merges) return refuse("an object");
    if (open_.back()->contains(name)) return stop(Code::malformed, "expected every key once, got '" + name + "' twice");
    if (depth_ == 2 && root_key_ == "model") {
      next_ = name == "vocab" ? List::vocabulary : name == "merges" ? List::merges : List::none;
    }
    if (depth_ == 1) root_key_ = name;
    key_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) override { return start(SortedJson::object()); }
  bool start_array(std::size_t) override { return start(SortedJson::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& what) override {
    return stop(Code::malformed, "byte " + std::to_string(position) + ": " + what.what());
  }

 private:
  enum class List : unsigned char { none, vocabulary, merges };
  static constexpr std::size_t kListDepth = 3;  // the file, the model, the list

  bool stop(Code code, std::string what) {
    error = fail(code, "tokenizer.json: " + std::move(what), "tokenizer.json");
    return false;
  }

  bool refuse(const char* got) {
    if (list_ == List::merges)
      return stop(Code::malformed, "model.merges: merge " + std::to_string(out.merges.size() / 2) +
                                       ": expected a text of two spellings or a pair of texts, got " + got);
    return stop(Code::malformed, "model.vocab: entry " + std::to_string(out.numbers.size()) + ": expected " +
                                     (out.has_scores ? "a pair of a text and a number" : "a number") + ", got " + got);
  }

  bool value(SortedJson value, const char* name) { return list_ == List::none ? add(std::move(value)) : refuse(name); }

  bool numeric(const SortedJson& number, double as_double) {
    if (list_ == List::none) return add(number);
    const bool is_due = list_ == List::vocabulary && out.tokens.size() == out.numbers.size() + 1 &&
                        depth_ == kListDepth + (out.has_scores ? 1 : 0);
    if (!is_due) return refuse("a number");
    ++pair_;
    out.numbers.push_back(as_double);
    return true;
  }

  bool merge(const std::string& text) {
    if (depth_ == kListDepth + 1) {
      if (++pair_ > 2) return refuse("more texts");
      out.merges.push_back(text);
      return true;
    }
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return refuse("another text");
    out.merges.push_back(std::string_view(text).substr(0, space));
    out.merges.push_back(std::string_view(text).substr(space + 1));
    return true;
  }

  /// Into the array or object that is open.
  bool add(SortedJson value) {
    if (++values_ > kMostValues)
      return stop(Code::too_long, "expected at most " + std::to_string(kMostValues) + " values");
    next_ = List::none;
    if (open_.empty()) {
      out.parts = std::move(value);
      open_.push_back(&out.parts);
      return true;
    }
    SortedJson& into = *open_.back();
    SortedJson& added = into.is_array() ? into.emplace_back(std::move(value)) : into[key_] = std::move(value);
    if (added.is_structured()) open_.push_back(&added);
    return true;
  }

  bool start(SortedJson empty) {
    if (++depth_ > kMostDepth)
      return stop(Code::too_long, "expected at most " + std::to_string(kMostDepth) + " levels");
    const bool is_array = empty.is_array();
    const char* name = is_array ? "an array" : "an object";
    if (list_ != List::none) {
      pair_ = 0;
      const bool is_pair = is_array && depth_ == kListDepth + 1 && (list_ == List::merges || out.has_scores);
      return is_pair || refuse(name);
    }
    if (next_ == List::none) return add(std::move(empty));
    list_ = std::exchange(next_, List::none);
    if (list_ == List::vocabulary) out.has_scores = is_array;
    const bool is_twice =
        list_ == List::vocabulary ? std::exchange(has_vocabulary_, true) : std::exchange(has_merges_, true);
    if (is_twice) return stop(Code::malformed, "expected every key once, got '" + key_ + "' twice");
    return is_array || list_ == List::vocabulary || refuse(name);
  }

  bool end() {
    --depth_;
    if (list_ == List::none) {
      open_.pop_back();
      return true;
    }
    if (depth_ < kListDepth) {
      list_ = List::none;
      return out.tokens.size() == out.numbers.size() || refuse("a text alone");
    }
    return pair_ == 2 || refuse("another number of values");
  }

  std::vector<SortedJson*> open_;  // a parent does not change while its child is open
  std::string key_, root_key_;
  std::size_t depth_ = 0, values_ = 0;
  int pair_ = 0;                                // values of a pair so far
  List list_ = List::none, next_ = List::none;  // the list that we are in, and the one whose key came last
  bool has_vocabulary_ = false, has_merges_ = false;
};

}  // namespace

Expected<TokenizerJson> read_tokenizer_json(std::string_view bytes) {
  if (bytes.size() > kMostBytes)
    return fail(Code::too_long,
                "tokenizer.json: expected at most " + std::to_string(kMostBytes) + " bytes, got " +
                    std::to_string(bytes.size()),
                "tokenizer.json");
  Reader reader;
  if (!SortedJson::sax_parse(bytes.begin(), bytes.end(), &reader)) return std::move(reader.error);
  if (!reader.out.parts.is_object())
    return fail(Code::malformed, "tokenizer.json: expected an object", "tokenizer.json");
  return std::move(reader.out);
}

}  // namespace heed
