// The ONNX backend node tests: every folder with model.onnx and test_data_set_*/{input,output}_*.pb is read by our own
// importer, computed, and compared as ONNX's own runner does (rtol 1e-3, atol 1e-7; integers and strings exactly).
//
//     node_tests [words...]     runs the cases whose names contain one of the words; all without
//
// Cases come from $BW_NODE_TESTS or the cache that ./dev setup fills. tests/node/skipped.txt names those that are known
// not to pass, with a reason; one of them that passes is an error, so the list stays true. Every case runs in a child
// process: a crash is one failed case.
#include <fnmatch.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "io/onnx/onnx.hpp"
#include "ops/convert.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

constexpr double kRelative = 1e-3, kAbsolute = 1e-7;
constexpr unsigned kSecondsPerCase = 60;
constexpr int kSkippedTest = 77;  // ctest's SKIP_RETURN_CODE

struct Skip {
  std::string pattern, reason;
};

std::vector<Skip> read_skips(const std::string& path) {
  std::vector<Skip> skips;
  std::ifstream file(path);
  if (!file) fail(ErrorCode::io, path, " cannot be read");
  for (std::string line; std::getline(file, line);) {
    const size_t space = line.find(' ');
    if (line.empty() || line[0] == '#') continue;
    if (space == std::string::npos) fail(ErrorCode::malformed, path, ": '", line, "' has no reason");
    skips.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  return skips;
}

const Skip* find_skip(const std::vector<Skip>& skips, const std::string& name) {
  for (const Skip& skip : skips)
    if (fnmatch(skip.pattern.c_str(), name.c_str(), 0) == 0) return &skip;
  return nullptr;
}

std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (;;) {
    const fs::path file = folder / str(prefix, "_", tensors.size(), ".pb");
    if (!fs::exists(file)) return tensors;
    tensors.push_back(onnx::read_tensor_file(file.string()));
  }
}

// Empty when they agree, else what differs first.
std::string difference(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype()) return str("is ", name_of(got.dtype()), ", wanted ", name_of(want.dtype()));
  if (got.shape() != want.shape()) return str("has shape ", to_string(got.shape()), ", wanted ", to_string(want.shape()));
  const bool text = got.dtype() == DType::string;
  for (int64_t i = 0; i < got.elements(); ++i) {
    if (text) {
      const std::string &a = got.strings()[static_cast<size_t>(i)], &b = want.strings()[static_cast<size_t>(i)];
      if (a != b) return str("[", i, "] is '", a, "', wanted '", b, "'");
      continue;
    }
    double a = 0, b = 0;
    read_numbers(got, i, 1, &a);
    read_numbers(want, i, 1, &b);
    const double tolerance = is_float(got.dtype()) ? kAbsolute + kRelative * std::abs(b) : 0;
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance) continue;
    return str("[", i, "] is ", a, ", wanted ", b);
  }
  return "";
}

std::string run_data_set(const Model& model, const fs::path& folder) {
  const auto inputs = read_tensors(folder, "input"), wanted = read_tensors(folder, "output");
  const auto got = interpret(model.graph, inputs);
  if (got.size() != wanted.size()) return str(got.size(), " outputs, wanted ", wanted.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (const std::string d = difference(got[i], wanted[i]); !d.empty()) return str("output ", i, " ", d);
  return "";
}

/// Empty when the case passes, else the reason.
std::string run_case(const fs::path& folder) try {
  const Model model = read_onnx((folder / "model.onnx").string());
  size_t sets = 0;
  for (; fs::exists(folder / str("test_data_set_", sets)); ++sets)
    if (const std::string d = run_data_set(model, folder / str("test_data_set_", sets)); !d.empty()) return d;
  return sets > 0 ? "" : "has no test data";
} catch (const std::exception& e) {
  return e.what();
}

std::string run_in_child(const fs::path& folder) {
  int ends[2];
  if (pipe(ends) != 0) fail(ErrorCode::resource, "cannot make a pipe");
  const pid_t child = fork();
  if (child < 0) fail(ErrorCode::resource, "cannot fork");
  if (child == 0) {
    close(ends[0]);
    alarm(kSecondsPerCase);
    const std::string reason = run_case(folder);
    const bool sent = reason.empty() || write(ends[1], reason.data(), reason.size()) >= 0;
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  std::string reason;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) reason.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return str("died of signal ", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? reason : "could not report";
}

/// "Foo" from "...: node 'x' (Foo): this operator is not supported", else empty.
std::string unsupported_operator(const std::string& reason) {
  const size_t end = reason.find("): this operator is not supported");
  if (end == std::string::npos) return "";
  const size_t begin = reason.rfind('(', end);
  return reason.substr(begin + 1, end - begin - 1);
}

bool chosen(const std::string& name, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (name.find(word) != std::string::npos) return true;
  return words.empty();
}

std::vector<fs::path> find_cases(const fs::path& root, const std::vector<std::string>& words) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(root))
    if (fs::exists(entry.path() / "model.onnx") && chosen(entry.path().filename().string(), words))
      cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  return cases;
}

int run_all(const fs::path& root, const std::vector<std::string>& words) {
  const auto skips = read_skips(BW_SOURCE_DIR "/tests/node/skipped.txt");
  const auto cases = find_cases(root, words);
  std::map<std::string, int> missing;
  int passed = 0, attempted = 0, failures = 0;
  for (const fs::path& folder : cases) {
    const std::string name = folder.filename().string();
    const std::string reason = run_in_child(folder);
    const Skip* skip = find_skip(skips, name);
    if (const std::string op = unsupported_operator(reason); !op.empty()) ++missing[op];
    attempted += !skip;
    passed += !skip && reason.empty();
    if (!skip && reason.empty()) continue;
    if (skip && !reason.empty()) {
      std::printf("skipped %s: %s\n", name.c_str(), skip->reason.c_str());
      continue;
    }
    ++failures;
    std::printf("FAILED %s: %s\n", name.c_str(), skip ? "passes, but is listed in skipped.txt" : reason.c_str());
  }
  for (const auto& [op, count] : missing) std::printf("operator not supported: %s (%d cases)\n", op.c_str(), count);
  std::printf("%d passed / %d attempted / %zu all\n", passed, attempted, cases.size());
  return failures == 0 && !cases.empty() ? 0 : 1;
}

}  // namespace
}  // namespace bitwright

int main(int argc, char** argv) try {
  const char* given = std::getenv("BW_NODE_TESTS");
  const std::filesystem::path root = given ? given : BW_CACHE_DIR "/onnx-node-tests";
  if (!std::filesystem::exists(root)) {
    std::printf("skipped: there are no node tests at %s (./dev setup fetches them)\n", root.c_str());
    return bitwright::kSkippedTest;
  }
  return bitwright::run_all(root, {argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::printf("node_tests: %s\n", e.what());
  return 1;
}
