// PyTorch's six steps with the library: fuse, stubs, qconfig, prepare, calibrate, convert.
//
//     six_steps net.onnx calibration-data out.onnx
#include <bitwright/bitwright.hpp>
#include <cstdio>

using namespace bitwright;

int main(int argc, char** argv) try {
  if (argc != 4) return std::fprintf(stderr, "usage: six_steps NET.onnx DATA OUT.onnx\n"), 2;
  const auto data = open_dataset(argv[2]);
  const Recipe recipe = load_recipe("fbgemm");                     // get_default_qconfig("fbgemm")
  Model model = fuse(load(argv[1]), recipe).model;                 // fuse_modules
  model = add_quant_stubs(std::move(model));                       // QuantStub, DeQuantStub
  Placement placement = set_qconfig(std::move(model), recipe);     // model.qconfig = ...
  const Batches batches = batches_of(placement.model, *data, 512, 16);
  Observed observed = prepare(std::move(placement), recipe);       // prepare: still float
  calibrate(observed, batches);                                    // feed data
  const Model integers = convert(std::move(observed));             // convert
  const Saved saved = save(integers, argv[3]);
  std::printf("%s: %zu bytes, %zu quantized places\n", argv[3], saved.bytes, integers.quantization.at.size());
} catch (const Error& e) {
  std::fprintf(stderr, "six_steps: %s\n", e.what());
  return 1;
}
