#include "agent/spool/sector_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/spool/disk_files.h"

namespace joulespool::spool {
namespace {

// What the kernel reads at a time, and so loses with a sector.
constexpr uint64_t sector_bytes = 4096;

}  // namespace

SectorReader::SectorReader(std::string path) : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat info {};
  if (file_ < 0 && errno == ENOENT) opened_ = Error{Errc::not_found, path_ + ": " + std::strerror(errno)};
  else if (file_ < 0 || ::fstat(file_, &info) != 0) opened_ = system_error(path_, errno);
  else size_ = static_cast<uint64_t>(info.st_size);
}

SectorReader::~SectorReader() {
  if (file_ >= 0) ::close(file_);
}

Result<size_t> SectorReader::read(uint64_t offset, std::byte* to, size_t size) {
  const auto there = static_cast<size_t>(std::min<uint64_t>(size, size_ - std::min(size_, offset)));
  const Part whole{offset, to, there};
  if (read(whole)) return there;
  return read_by_sectors(whole);
}

// A file that has become shorter ends in zeros.
Status SectorReader::read(const Part& part) {
  for (size_t done = 0; done < part.size;) {
    const auto got = ::pread(file_, part.to + done, part.size - done, static_cast<off_t>(part.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path_, errno);
    if (got == 0) {
      std::fill_n(part.to + done, part.size - done, std::byte{0});
      break;
    }
    done += static_cast<size_t>(got);
  }
  return {};
}

Result<size_t> SectorReader::read_by_sectors(const Part& whole) {
  std::vector<Part> failed;
  for (size_t done = 0; done < whole.size;) {
    const uint64_t offset = whole.offset + done;
    const auto size = static_cast<size_t>(std::min<uint64_t>(sector_bytes - offset % sector_bytes, whole.size - done));
    const Part part{offset, whole.to + done, size};
    if (!read(part)) failed.push_back(part);
    done += size;
  }
  if (!failed.empty() && !medium_answers(failed)) return system_error(path_, EIO);
  for (const Part& part : failed) {
    if (read(part)) continue;
    std::fill_n(part.to, part.size, std::byte{0});
    lost_something_ = true;
  }
  return whole.size;
}

// Some sector that has not failed is read again from the medium itself.
bool SectorReader::medium_answers(const std::vector<Part>& failed) {
  const uint64_t before = failed.front().offset / sector_bytes * sector_bytes;
  const uint64_t behind = (failed.back().offset / sector_bytes + 1) * sector_bytes;
  std::array<std::byte, sector_bytes> bytes{};
  for (const uint64_t offset :
       {before - std::min(before, sector_bytes), behind, uint64_t{0}, size_ - std::min(size_, sector_bytes)}) {
    const bool outside = offset + sector_bytes <= before || offset >= behind;
    if (!outside || offset >= size_) continue;
    ::posix_fadvise(file_, static_cast<off_t>(offset), sector_bytes, POSIX_FADV_DONTNEED);
    if (read(Part{offset, bytes.data(), static_cast<size_t>(std::min(sector_bytes, size_ - offset))})) return true;
  }
  return false;
}

}  // namespace joulespool::spool
