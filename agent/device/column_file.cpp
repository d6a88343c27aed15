#include "agent/device/column_file.h"

#include <zstd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

namespace joulespool::device {
namespace {

static_assert(std::endian::native == std::endian::little, "columns are little-endian");

constexpr size_t column_bytes_max = column_samples_max * sizeof(float);

struct FileCloser {
  void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
};
struct StreamFreer {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

// Collects bytes up to the limit.
class Column {
 public:
  [[nodiscard]] bool append(const std::byte* bytes, size_t count) {
    if (count > column_bytes_max - bytes_.size()) return false;
    bytes_.insert(bytes_.end(), bytes, bytes + count);
    return true;
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

Error too_long() {
  return {Errc::usage, "is longer than " + std::to_string(column_samples_max) + " samples: cut it into several recordings"};
}

// Feeds pieces of a compressed file into a column.
class Decompressor {
 public:
  Decompressor() : stream_(ZSTD_createDStream()), out_(ZSTD_DStreamOutSize()) {}

  Status feed(const std::byte* bytes, size_t count, Column& column) {
    ZSTD_inBuffer in{bytes, count, 0};
    while (true) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(result) != 0)
        return Error{Errc::damaged,
                     std::string("zstd data is damaged (") + ZSTD_getErrorName(result) + "): fetch the file again"};
      in_frame_ = result != 0;
      if (!column.append(out_.data(), out.pos)) return too_long();
      if (in.pos == in.size && out.pos < out.size) return {};
    }
  }
  [[nodiscard]] bool in_frame() const { return in_frame_; }

 private:
  std::unique_ptr<ZSTD_DStream, StreamFreer> stream_;
  std::vector<std::byte> out_;
  bool in_frame_ = true;  // an empty file has not even begun one
};

Status read_pieces(std::FILE* file, bool compressed, Column& column) {
  Decompressor decompressor;
  std::vector<std::byte> piece(size_t{1} << 17);
  size_t count = 0;
  while ((count = std::fread(piece.data(), 1, piece.size(), file)) > 0) {
    if (compressed) {
      if (Status status = decompressor.feed(piece.data(), count, column); !status) return status;
    } else if (!column.append(piece.data(), count)) {
      return too_long();
    }
  }
  if (std::ferror(file) != 0) return Error{Errc::usage, "cannot be read: " + std::generic_category().message(errno)};
  if (compressed && decompressor.in_frame()) return Error{Errc::damaged, "zstd data is cut off: fetch the file again"};
  return {};
}

Result<std::vector<float>> read(const std::string& path) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rb"));
  if (!file)
    return Error{Errc::usage,
                 "cannot be opened: " + std::generic_category().message(errno) + "; give the path of a float32 column"};
  Column column;
  if (Status status = read_pieces(file.get(), path.ends_with(".zst"), column); !status) return status.error();
  const auto& bytes = column.bytes();
  if (bytes.empty()) return Error{Errc::usage, "is empty: a recording needs at least one sample"};
  if (bytes.size() % sizeof(float) != 0)
    return Error{Errc::damaged,
                 "has " + std::to_string(bytes.size()) + " bytes, which is no multiple of 4: it must hold float32 values only"};
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

Result<std::vector<float>> read_column(const std::string& path) {
  Result<std::vector<float>> values = read(path);
  if (!values) return values.error().in("recording " + path);
  return values;
}

}  // namespace joulespool::device
