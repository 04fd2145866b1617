// The file of measured kernels: {"version": 1, "processor": ..., "kernels": [{"problem": ..., "kernel": ...}]}.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "api/archive.hpp"
#include "api/measure.hpp"
#include "core/mapped_file.hpp"

namespace bitwright {
namespace {

constexpr int64_t kVersion = 1;

struct Named {
  std::string problem, kernel;
};
struct CacheFile {
  int64_t version = 0;
  std::string processor;
  std::vector<Named> kernels;
};

template <class A>
void describe(A& a, CacheFile& file) {
  a.field("version", file.version);
  a.field("processor", file.processor);
  a.list("kernels", file.kernels, [](A& item, Named& named) {
    item.field("problem", named.problem);
    item.field("kernel", named.kernel);
  });
}

CacheFile parsed(const std::string& path) {
  const MappedFile mapped = MappedFile::open(path);
  const Document document = parse_json({reinterpret_cast<const char*>(mapped.bytes.data()), mapped.bytes.size()}, path);
  if (!document.is_table()) fail(ErrorCode::malformed, path, ": is no table");
  DocumentReader reader(document, path);
  CacheFile file;
  describe(reader, file);
  reader.finish();
  if (file.version != kVersion) fail(ErrorCode::unsupported, path, ": version ", file.version, ", wanted ", kVersion);
  return file;
}

}  // namespace

std::string processor_name() {
  std::string name = "unknown";
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; name == "unknown" && std::getline(lines, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) name = line.substr(line.find(": ") + 2);
  return str(name, " up to ", name_of(isa_cap()));
}

std::string kernel_cache_path() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  const std::string folder = cache && *cache ? cache : home && *home ? str(home, "/.cache") : "";
  if (folder.empty()) return {};
  std::string name = processor_name();
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '-';
  return str(folder, "/bitwright/kernels-", name, ".json");
}

KernelChoices read_kernel_choices(const std::string& path, const std::string& processor, Sink* sink) {
  KernelChoices choices;
  std::error_code none;
  if (path.empty() || !std::filesystem::exists(path, none)) return choices;
  try {
    const CacheFile file = parsed(path);
    if (file.processor != processor) fail(ErrorCode::mismatch, path, ": was measured on '", file.processor, "'");
    for (const Named& named : file.kernels) choices.fastest[named.problem] = named.kernel;
  } catch (const Error& e) {
    report_note(sink, str("measured kernels are not used: ", e.what()));
  }
  return choices;
}

void write_kernel_choices(const std::string& path, const std::string& processor, const KernelChoices& choices, Sink* sink) {
  if (path.empty()) return report_note(sink, "measured kernels are not kept: neither XDG_CACHE_HOME nor HOME is set");
  CacheFile file{kVersion, processor, {}};
  for (const auto& [problem, kernel] : choices.fastest) file.kernels.push_back({problem, kernel});
  DocumentWriter writer;
  describe(writer, file);
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  try {
    FileWriter out(path);
    out.write(to_json(writer.document) + "\n");
    out.commit();
  } catch (const Error& e) {
    report_note(sink, str("measured kernels are not kept: ", e.what()));
  }
}

}  // namespace bitwright
