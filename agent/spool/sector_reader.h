// Reads a file of which the medium no longer gives some sectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::spool {

// A sector is taken for lost when it fails again while another part of the file can be read from the medium, past the page cache.
// As long as nothing can be read the medium itself is in trouble (unplugged, say), and all may come back.
class SectorReader {
 public:
  explicit SectorReader(std::string path);
  SectorReader(const SectorReader&) = delete;
  SectorReader& operator=(const SectorReader&) = delete;
  ~SectorReader();

  // Ok, or why the file cannot be opened: not_found, unreachable.
  [[nodiscard]] const Status& opened() const { return opened_; }
  [[nodiscard]] uint64_t size() const { return size_; }  // bytes
  // Bytes from `offset` on, fewer at the end of the file; those of lost sectors are 0. Errors: unreachable.
  Result<size_t> read(uint64_t offset, std::byte* to, size_t size);
  // What was lost of that was read so far.
  [[nodiscard]] bool lost_something() const { return lost_something_; }

 private:
  struct Part {
    uint64_t offset = 0;
    std::byte* to = nullptr;
    size_t size = 0;
  };
  Status read(const Part& part);
  Result<size_t> read_by_sectors(const Part& whole);
  bool medium_answers(const std::vector<Part>& failed);

  const std::string path_;
  int file_ = -1;
  Status opened_;
  uint64_t size_ = 0;
  bool lost_something_ = false;
};

}  // namespace joulespool::spool
