// Words to write an option table with: one function for each type of row, and rules that several tables share.
#pragma once

#include <string>
#include <vector>

#include "agent/base/option_table.h"

namespace joulespool::rows {

using Check = std::function<Status(const OptionValue&)>;  // OptionRow::check

OptionRow text(std::string key, std::string value, std::string doc, Check check = {});
OptionRow integer(std::string key, std::string unit, int64_t value, double min, double max, std::string doc, Check check = {});
OptionRow number(std::string key, std::string unit, double value, double min, double max, std::string doc);
OptionRow boolean(std::string key, bool value, std::string doc);
OptionRow list(std::string key, std::vector<std::string> value, std::string doc, Check check = {});
OptionRow choice(std::string key, std::string value, std::vector<std::string> choices, std::string doc);
OptionRow secret(OptionRow row);

// "tcp://host:port" with a port of 1 to 65535; the value is a text.
Status check_tcp_uri(const OptionValue& value);

}  // namespace joulespool::rows
