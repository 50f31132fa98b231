// sample_text.h -- a text of several kinds for measuring what quantization costs; about 1,300 tokens.
#pragma once
#include <string_view>

namespace heed {

extern const std::string_view kSampleText;

}  // namespace heed
