#include "io/data/jpeg.hpp"

#include <climits>
#include <csetjmp>
#include <cstdio>

// These two need size_t and FILE before them.
#include <jerror.h>
#include <jpeglib.h>

namespace bitwright {
namespace {

/// libjpeg reports through its error manager, which must not return from an error: it jumps.
struct Errors {
  jpeg_error_mgr base{};
  std::jmp_buf out{};
  char message[JMSG_LENGTH_MAX] = "";
  bool ended_early = false;  // the end of the image was made up
};

Errors& errors_of(j_common_ptr info) { return *reinterpret_cast<Errors*>(info->err); }

[[noreturn]] void leave(j_common_ptr info) {
  Errors& errors = errors_of(info);
  info->err->format_message(info, errors.message);
  std::longjmp(errors.out, 1);
}

/// Warnings (level -1) say what libjpeg goes on from. Lost image data are damage; stray bytes and the like are not.
void hear(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF) errors_of(info).ended_early = true;
  if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC) leave(info);
}

void say_nothing(j_common_ptr) {}

/// Every scan of a progressive file visits the whole image, and an empty one takes ten bytes. Real files have about
/// ten.
void limit_scans(j_common_ptr info) {
  constexpr int kMostScans = 100;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  Errors& errors = errors_of(info);
  std::snprintf(errors.message, sizeof errors.message, "more scans than a picture needs");
  std::longjmp(errors.out, 1);
}

/// One decompression. Nothing with a destructor lives in the functions below that libjpeg may jump out of.
class Decoder {
 public:
  Decoder(Bytes file, const std::string& where) : file_(file), where_(where) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = hear;
    errors_.base.output_message = say_nothing;
    progress_.progress_monitor = limit_scans;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image decode(int64_t most_pixels) {
    if (!read_header()) fail(ErrorCode::malformed, where_, ": the image is damaged (", errors_.message, ")");
    Image image{info_.image_height, info_.image_width, 3, {}};
    const int64_t pixels = image.height * image.width;
    if (pixels > most_pixels)
      fail(ErrorCode::resource, where_, ": claims ", image.width, " x ", image.height,
           " pixels, more than is accepted");
    image.pixels.resize(static_cast<size_t>(pixels) * static_cast<size_t>(stored_channels()));
    if (!read_rows(image.pixels.data()))
      fail(ErrorCode::malformed, where_, ": the image is damaged (", errors_.message, ")");
    if (stored_channels() == 4) cmyk_to_rgb(image.pixels);
    return image;
  }

 private:
  int stored_channels() const { return info_.out_color_space == JCS_CMYK ? 4 : 3; }

  bool read_header() {
    if (setjmp(errors_.out)) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_read_header(&info_, TRUE);
    const bool four = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    return true;
  }

  bool read_rows(uint8_t* pixels) {
    if (setjmp(errors_.out)) return false;
    jpeg_start_decompress(&info_);
    // A file of several scans without its end may lack whole ones; otherwise lost data have been noticed.
    if (jpeg_has_multiple_scans(&info_) && errors_.ended_early) ERREXIT(&info_, JERR_INPUT_EOF);
    const size_t row = size_t{info_.output_width} * static_cast<size_t>(info_.output_components);
    while (info_.output_scanline < info_.output_height) {
      uint8_t* to = pixels + info_.output_scanline * row;
      jpeg_read_scanlines(&info_, &to, 1);
    }
    return true;
  }

  /// Pillow's: such files hold inverted inks, Adobe's habit; an ink takes its share of what black leaves, in 8 bits.
  static void cmyk_to_rgb(std::vector<uint8_t>& pixels) {
    const size_t count = pixels.size() / 4;
    for (size_t i = 0; i < count; ++i) {
      const int white = pixels[i * 4 + 3];
      for (size_t c = 0; c < 3; ++c) {
        const int product = (255 - pixels[i * 4 + c]) * white + 128;
        pixels[i * 3 + c] = static_cast<uint8_t>(white - ((product >> 8) + product) / 256);
      }
    }
    pixels.resize(count * 3);
  }

  Bytes file_;
  const std::string& where_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  Errors errors_;
};

}  // namespace

bool is_jpeg(Bytes file) { return file.size() > 2 && text_of(file).substr(0, 3) == "\xff\xd8\xff"; }

Image decode_jpeg(Bytes file, int64_t most_pixels, const std::string& where) {
  return Decoder(file, where).decode(most_pixels);
}

}  // namespace bitwright
