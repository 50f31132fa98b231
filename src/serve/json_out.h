// json_out.h -- writes JSON by appending, keys in the order given: answers and stream chunks build no tree.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace heed {

/// Appends `text` as a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

class JsonOut {
 public:
  JsonOut& open_object() { return open('{'); }
  JsonOut& close_object() { return close('}'); }
  JsonOut& open_array() { return open('['); }
  JsonOut& close_array() { return close(']'); }
  JsonOut& key(std::string_view name);
  JsonOut& value(std::string_view text);
  JsonOut& value(const char* text) { return value(std::string_view(text)); }
  JsonOut& value(const std::string& text) { return value(std::string_view(text)); }
  template <std::same_as<bool> Flag>
  JsonOut& value(Flag flag) {
    return raw(flag ? "true" : "false");
  }
  template <std::integral Number>
    requires(!std::same_as<Number, bool> && !std::same_as<Number, char>)
  JsonOut& value(Number number) {
    return raw(std::to_string(number));
  }
  JsonOut& value(double number);  // shortest form that reads back the same; null when not finite
  JsonOut& value(float number);
  JsonOut& null() { return raw("null"); }
  JsonOut& raw(std::string_view json);
  template <class Value>
  JsonOut& member(std::string_view name, const Value& held) {
    return key(name).value(held);
  }

  const std::string& text() const noexcept { return text_; }
  std::string take() noexcept { return std::move(text_); }

 private:
  JsonOut& open(char bracket);
  JsonOut& close(char bracket);
  void separate();
  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace heed
