#include "agent/spool/quarantine.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <vector>

#include "agent/spool/disk_files.h"

namespace joulespool::spool {
namespace {

namespace fs = std::filesystem;

struct QuarantinedFile {
  fs::file_time_type written;
  std::string path;
  uint64_t bytes = 0;
};

std::vector<QuarantinedFile> files_in(const std::string& path) {
  std::vector<QuarantinedFile> files;
  std::error_code failed;
  for (fs::directory_iterator entry(path, failed), end; !failed && entry != end; entry.increment(failed)) {
    if (entry->path().extension() != ".frame") continue;
    std::error_code vanished;
    const auto written = entry->last_write_time(vanished);
    const auto bytes = entry->file_size(vanished);
    if (!vanished) files.push_back({written, entry->path().string(), bytes});
  }
  return files;
}

}  // namespace

Status Quarantine::put(const wire::FrameId& id, std::string_view reason, wire::ByteView bytes) {
  JOULESPOOL_TRY(make_directory(path_), "quarantine");
  const std::string file = path_ + "/" + id.sequence.device + "-" + std::string(wire::to_string(id.sequence.lane)) + "-" +
                           std::to_string(id.seq) + "-" + std::string(reason) + ".frame";
  JOULESPOOL_TRY(write_durably(file, bytes), "quarantine");
  remove_oldest(file);
  return {};
}

void Quarantine::remove_oldest(const std::string& except) const {
  auto files = files_in(path_);
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return std::tie(a.written, a.path) < std::tie(b.written, b.path); });
  size_t count = files.size();
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  for (const auto& file : files) {
    if (count <= limits_.files_max && bytes <= limits_.bytes_max) return;
    if (file.path == except) continue;
    std::error_code ignored;  // counted as gone: the next put tries again
    fs::remove(file.path, ignored);
    --count;
    bytes -= file.bytes;
  }
}

uint64_t quarantined_frames(const std::string& path) { return files_in(path).size(); }

}  // namespace joulespool::spool
