// One value of an option: from text or from a file's own type, checked against its row. Inside the options library only.
#pragma once

#include <optional>

#include "agent/base/option_table.h"

namespace joulespool {

// A value that a file gives, in the file's own type.
struct FileValue {
  std::optional<OptionValue> value;  // empty: of a type that no option has (a date, a table, a list of numbers)
  std::string written;               // for messages: -5, "abc", a date
};

// Text of a flag, of the environment or of an inline table. Numbers may have a suffix where the row's unit allows it
// ("8MiB" for bytes, "2s" for ms) and space around them; a list's elements are separated by commas.
// Errors say what is allowed: "must be 10..10000 ms".
Result<OptionValue> parse_option_text(const OptionRow& row, std::string_view text);
// The same from a file: types are strict, but numbers with a suffix are written as text there.
Result<OptionValue> convert_file_value(const OptionRow& row, const FileValue& value);
// Range, choices and the row's own rule.
Status check_option_value(const OptionRow& row, const OptionValue& value);

// "10..10000 ms", "off, keep or upload", "true or false".
std::string allowed_values(const OptionRow& row);
// In quotes, without control characters, of limited length: fit for a message.
std::string quoted_for_message(std::string_view text);
// Numbers in the shortest form that reads back as the same number.
std::string number_to_text(double value);

}  // namespace joulespool
