#include "agent/cli/png_file.h"

#include <png.h>

namespace joulespool::cli {

Result<std::string> encode_png(const Pixels& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(pixels.width);
  image.height = static_cast<png_uint_32>(pixels.height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  const bool is_written = png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.rgb.data(), 0, nullptr) != 0;
  if (!is_written) return Error{Errc::internal, std::string("png: ") + image.message};
  bytes.resize(size);
  return bytes;
}

}  // namespace joulespool::cli
