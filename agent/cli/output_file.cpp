#include "agent/cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace joulespool::cli {
namespace {

constexpr size_t buffer_bytes = 64 * 1024;  // columns have some 30 files open at a time

// Where `path` ends with slashes, its name is before them.
std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Error cannot(const std::string& path, const char* what, int number) {
  const bool is_full = number == ENOSPC || number == EDQUOT;
  return {is_full ? Errc::full : Errc::unreachable, path + ": cannot be " + what + ": " + std::strerror(number)};
}

bool is_special(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

// The name of a file is on disk when its directory is. Some file systems cannot do that: then nothing is lost by trying.
void sync_directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

OutputFile::OutputFile(int fd, std::string path, std::string written_path)
    : fd_(fd), path_(std::move(path)), written_path_(std::move(written_path)) {
  buffer_.reserve(buffer_bytes);
}

Result<std::unique_ptr<OutputFile>> OutputFile::open(const std::string& path, const std::string& written_path) {
  const int fd = ::open(written_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return cannot(path, "written", errno);
  return std::unique_ptr<OutputFile>(new OutputFile(fd, path, written_path));
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) return cannot(path, "written", EISDIR);
  return open(path, is_special(path) ? path : path + ".partial");
}

Result<std::unique_ptr<OutputFile>> OutputFile::create_in_place(const std::string& path) { return open(path, path); }

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (written_path_ != path_) ::unlink(written_path_.c_str());
}

Error OutputFile::error(int number) const { return cannot(path_, "written to its end", number); }

Status OutputFile::write(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_.size() < buffer_bytes ? Status{} : flush();
}

Status OutputFile::flush() {
  size_t written = 0;
  while (written < buffer_.size()) {
    const ssize_t size = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return error(errno);
    written += static_cast<size_t>(size);
  }
  buffer_.clear();
  return {};
}

Status OutputFile::finish() {
  if (Status status = flush(); !status) return status;
  // A pipe or a device has nothing to be synced: EINVAL.
  if (::fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) return error(errno);
  if (::close(std::exchange(fd_, -1)) != 0) return error(errno);
  if (written_path_ == path_) return {};
  if (std::rename(written_path_.c_str(), path_.c_str()) != 0) {
    const int number = errno;
    ::unlink(written_path_.c_str());
    return cannot(path_, "written", number);
  }
  sync_directory_of(path_);
  return {};
}

OutputDirectory::OutputDirectory(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {}

Result<std::unique_ptr<OutputDirectory>> OutputDirectory::create(const std::string& path) {
  const std::string name = without_slashes(path);
  std::error_code failure;
  const auto status = std::filesystem::status(name, failure);
  const bool is_there = std::filesystem::exists(status);
  if (is_there && !std::filesystem::is_directory(status))
    return Error{Errc::usage, name + " is a file: this format needs a directory"};
  if (is_there && !std::filesystem::is_empty(name, failure))
    return Error{Errc::usage, name + " is not empty: name a directory that is not there yet"};
  std::unique_ptr<OutputDirectory> directory(new OutputDirectory(name));
  if (::mkdir(directory->partial_.c_str(), 0777) == 0) return directory;
  const int number = errno;
  directory->is_finished_ = true;  // nothing to remove: it is not ours
  if (number == EEXIST)
    return Error{Errc::usage, directory->partial_ + " is in the way: an export was broken off; remove it, or wait for its end"};
  return cannot(name, "made", number);
}

OutputDirectory::~OutputDirectory() {
  if (std::error_code ignored; !is_finished_) std::filesystem::remove_all(partial_, ignored);
}

Status OutputDirectory::add_directory(const std::string& name) const {
  if (::mkdir((*this / name).c_str(), 0777) != 0) return cannot(*this / name, "made", errno);
  return {};
}

Status OutputDirectory::finish() {
  if (std::rename(partial_.c_str(), path_.c_str()) != 0) return cannot(path_, "written", errno);
  is_finished_ = true;
  sync_directory_of(path_);
  return {};
}

}  // namespace joulespool::cli
