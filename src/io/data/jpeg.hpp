// JPEG files, decoded by libjpeg-turbo (linked statically), because "the pixels of a JPEG file" are whatever that
// library makes of it for nearly everyone: Pillow, torchvision and OpenCV use it. The standard leaves an inverse DCT
// one step of freedom, decoders use it, and a badly calibrated network turns one step in some pixels into another
// class. (On the 200 photographs of ../shared stb_image differs in 2.2 % of the values, by up to 3.) libjpeg's
// defaults: slow integer DCT, smooth chroma.
#pragma once

#include "io/data/image.hpp"

namespace bitwright {

bool is_jpeg(Bytes file);

/// RGB; grey becomes three equal channels, CMYK is converted as Pillow does it. Error{malformed, resource} as for
/// decode_image: `most_pixels` is the most that the file may claim, and entropy-coded data that end early or hold codes
/// that do not exist are damage.
Image decode_jpeg(Bytes file, int64_t most_pixels, const std::string& where);

}  // namespace bitwright
