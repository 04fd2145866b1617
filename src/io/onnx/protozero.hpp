// protozero, with its assertions as exceptions: a field whose wire type is not the schema's is the file's fault.
// Include this instead of protozero's own headers.
#pragma once

#include <protozero/exception.hpp>

namespace bitwright::onnx {

struct WrongWireType : protozero::exception {
  const char* what() const noexcept override { return "a field has another type than ONNX gives it"; }
};
[[noreturn]] inline void throw_wrong_wire_type() { throw WrongWireType(); }

}  // namespace bitwright::onnx

#define protozero_assert(condition) ((condition) ? void(0) : ::bitwright::onnx::throw_wrong_wire_type())

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
