// Bitwright as a library. Link the CMake target bitwright::bitwright and include this:
//
//     #include <bitwright/bitwright.hpp>
//     using namespace bitwright;
//
//     Model model = load("resnet20.onnx");
//     Quantized small = quantize(model, Recipe(), *open_dataset("cifar10/train.bin"));
//     save(small, "resnet20_int8.onnx");
//
// The library never prints; errors are bitwright::Error. See api/api.hpp for the verbs, api/recipe.hpp for recipes,
// runtime/program.hpp for running models, quant/textbook.hpp for choose_qparams(values, mode) and int_repr().
#pragma once

#include "api/api.hpp"
#include "api/cost.hpp"
#include "api/metric.hpp"
#include "api/recipe.hpp"
#include "quant/textbook.hpp"
