// Files that stand under their name when they are complete, and not before.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace joulespool::cli {

// Writes to `<path>.partial`, which finish() renames to `path`; without it, it is removed. What is there and is no regular file
// (a pipe, a device) is written directly. Errors of all members: full (no space), unreachable; with the path and what to do.
class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path);
  // In a directory that is itself renamed at the end: under its own name from the beginning.
  static Result<std::unique_ptr<OutputFile>> create_in_place(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Status write(std::string_view bytes);
  Status finish();  // all of it is on disk

 private:
  OutputFile(int fd, std::string path, std::string written_path);
  static Result<std::unique_ptr<OutputFile>> open(const std::string& path, const std::string& written_path);
  Status flush();
  [[nodiscard]] Error error(int number) const;

  int fd_;
  const std::string path_;          // what the caller asked for
  const std::string written_path_;  // what is being written
  std::string buffer_;
};

// A directory that is filled as `<path>.partial` and renamed by finish(); without it, it is removed with all that is in it.
class OutputDirectory {
 public:
  // `path` must not be there, or be an empty directory. Errors: usage (it has something in it), unreachable.
  static Result<std::unique_ptr<OutputDirectory>> create(const std::string& path);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return partial_ + "/" + name; }
  // A directory in it. Errors: full, unreachable.
  [[nodiscard]] Status add_directory(const std::string& name) const;
  Status finish();

 private:
  explicit OutputDirectory(std::string path);

  const std::string path_, partial_;
  bool is_finished_ = false;
};

}  // namespace joulespool::cli
