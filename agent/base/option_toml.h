// A TOML file as flat keys with line numbers. Inside the options library only.
#pragma once

#include "agent/base/option_value.h"

namespace joulespool {

struct FileEntry {
  std::string key;  // "spool.budget-bytes", however tables and dots were written
  FileValue value;
  size_t line = 0;
  bool is_empty_table = false;  // [spool] without keys: `key` names the table
};

struct FileTable {
  size_t line = 0;
  std::vector<FileEntry> entries;
};

struct FileContent {
  std::vector<FileEntry> entries;                        // in the order of the file
  std::map<std::string, std::vector<FileTable>> arrays;  // top-level arrays of tables, [[device]]; `x = []` is none of them
};

// Errors: usage, "joulespool.toml:12: <what is wrong with the syntax>".
Result<FileContent> read_toml(const std::string& file_name, std::string_view text);

}  // namespace joulespool
