// The metadata of an image folder: data.toml, then a NUL, then labels.csv. What is read is written and read again.
#include <cstdlib>

#include "io/data/labels_csv.hpp"
#include "io/data/selection.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(all.find('\0'), all.size());
  DataOptions options;
  try {
    apply_toml(options, all.substr(0, cut), "data.toml");
  } catch (const Error&) {
    return 0;
  }
  const std::string written = to_toml(options);
  DataOptions again;
  apply_toml(again, written, "written");
  if (to_toml(again) != written) std::abort();
  try {
    const auto files = parse_labels_csv(all.substr(std::min(cut + 1, all.size())), options, "labels.csv");
    selected_records(static_cast<int64_t>(files.size()), options.select);
  } catch (const Error&) {
  }
  return 0;
}
