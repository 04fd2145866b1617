#include <unistd.h>

#include <filesystem>

#include "comparison.hpp"
#include "terminal.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string model;
  std::string data = "/usr/share/datasets/fashion-mnist", out;
  bool all = false;
};

// In the sources, or where cmake --install put it: ../share beside the program.
std::string example_model() {
  const std::filesystem::path inside = "models/fashion_cnn.onnx";
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto installed = program.parent_path().parent_path() / "share" / "bitwright" / inside;
  return std::filesystem::exists(installed, error) ? installed.string() : (std::filesystem::path(BW_EXAMPLES_DIR) / inside).string();
}

std::unique_ptr<Dataset> fashion(const Args& args, const std::string& split, const std::string& selection) {
  if (!std::filesystem::exists(args.data))
    fail(ErrorCode::io, args.data, " is not there: the demo uses Debian's package dataset-fashion-mnist (./dev setup installs it)");
  DataOptions options;
  options.split = split;
  options.classes = 10;
  options.image.scale = 1.0 / 255;
  options.image.mean = {0.2860f};
  options.image.std = {0.3530f};
  return select(open_dataset(args.data, options), selection);
}

struct Folder {
  std::filesystem::path path;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

void run_demo(const Args& args, const Context& c) {
  const auto train = fashion(args, "train", "first 512"), test = fashion(args, "test", args.all ? "all" : "first 2000");
  Folder folder{std::filesystem::temp_directory_path() / str("bitwright-demo-", static_cast<int64_t>(getpid()))};
  std::string out = args.out;
  if (out.empty()) {
    std::filesystem::create_directories(folder.path);
    out = (folder.path / "fashion_cnn_int8.onnx").string();
  }
  const std::string path = args.model.empty() ? example_model() : args.model;
  const Model model = load(path);
  const Quantized quantized = quantize(model, Recipe(), train.get(), c.sink, c.threads);
  save(quantized, out);
  const auto before = measure(load_program(path, "float"), "float32", {test.get()}, 0.5, c);
  const auto after = measure(load_program(out, "integer"), "int8", {test.get()}, 0.5, c);
  if (c.json) return c.print(comparison_document({before, after}));
  c.heading("A small network for Fashion-MNIST, from float32 to int8");
  c.print(str("calibrated on ", train->description(), " in ", fixed(quantized.seconds, 1), " s; judged on ", test->description(), "\n\n"));
  c.print(comparison_table({before, after}));
  c.print(args.out.empty() ? "\nTry: bitwright quantize MODEL -o OUT --data DATA, then bitwright compare MODEL OUT --data DATA\n"
                           : "\nwritten: " + out + "\n");
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.option("--model", args->model, "the float network (else: the small one of examples/)");
  o.option("--data", args->data, "the folder with Fashion-MNIST");
  o.option("-o,--output", args->out, "keep the quantized network here");
  o.flag("--all", args->all, "judge on all 10,000 test images, not on 2,000");
  return [args](const Context& c) { run_demo(*args, c); };
}

}  // namespace

const Command& command_demo() {
  static const Command command{80, "the main job on an embedded default: Fashion-MNIST, float against int8", declare};
  return command;
}

}  // namespace bitwright::cli
