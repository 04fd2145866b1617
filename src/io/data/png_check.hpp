// stb_image 2.27, which Debian 12 has, trusts PNG files too much: the length of a chunk decides how much it allocates.
// This walk over the chunks refuses such files before they are decoded. Where it and stb would read a file differently,
// stb ends with an error of its own.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

/// What is wrong with the chunks of a PNG file (of 8 bytes at least); empty when nothing is.
std::string_view png_fault(Bytes file);

}  // namespace bitwright
