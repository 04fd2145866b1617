#include "quant/format.hpp"

#include <string>
#include <vector>

#include "core/error.hpp"

namespace bitwright {

#define BW_ITEM(stem) std::span<const Format> formats_##stem();
#include "quant_formats.inc"
#undef BW_ITEM

namespace {

std::vector<const Format*> collect() {
  std::vector<const Format*> all;
#define BW_ITEM(stem) \
  for (const Format& format : formats_##stem()) all.push_back(&format);
#include "quant_formats.inc"
#undef BW_ITEM
  return all;
}

}  // namespace

std::span<const Format* const> formats() {
  static const std::vector<const Format*> all = collect();
  return all;
}

const Format* find_format(std::string_view name) {
  for (const Format* format : formats())
    if (format->name == name) return format;
  return nullptr;
}

const Format& format_named(std::string_view name) {
  if (const Format* format = find_format(name)) return *format;
  std::vector<std::string> names;
  for (const Format* format : formats()) names.emplace_back(format->name);
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "there is no number format '", name, "'", near.empty() ? "" : "; did you mean '", near,
       near.empty() ? "" : "'?");
}

const Format* format_of(DType file) {
  for (const Format* format : formats())
    if (format->file == file && format->bits == bits_of(file)) return format;
  return nullptr;
}

}  // namespace bitwright
