// Upsample (until opset 9) is a Resize: nearest neighbours by the floor of the coordinate, or linear, both asymmetric.
#include "ops/forms.hpp"

namespace bitwright {
namespace {

void upgrade_upsample(UpgradeContext& u) {
  const std::string mode = u.node.attr_string("mode", "nearest");
  ValueId scales = u.node.input(1);
  if (scales == ValueId::none) {  // opset 7 and 8
    const auto values = u.node.attr_floats("scales");
    scales = u.constant("scales", Tensor::of<float>({static_cast<int64_t>(values.size())}, values));
  }
  u.node.op = "Resize";
  u.node.inputs = {u.node.input(0), ValueId::none, scales};
  u.node.attributes = {{"mode", mode},
                       {"coordinate_transformation_mode", std::string("asymmetric")},
                       {"nearest_mode", std::string("floor")}};
}

const Op kOps[] = {{.name = "Upsample", .max_inputs = 2, .upgrade = upgrade_upsample}};

}  // namespace

std::span<const Op> ops_upsample() { return kOps; }

}  // namespace bitwright
