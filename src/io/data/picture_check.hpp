// stb_image 2.27, which Debian 12 has, trusts pictures too much: Huffman tables of a JPEG file with too many symbols,
// symbols out of range or missing tables make it touch memory that is not its own, the length of a PNG chunk decides how
// much it allocates. This walk over the segments refuses such files before they are decoded. Where it and stb would read
// a file differently, stb ends with an error of its own.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

/// What is wrong with the segments of a JPEG or PNG file; empty when nothing is, or when it is neither.
std::string_view picture_fault(Bytes file);

}  // namespace bitwright
