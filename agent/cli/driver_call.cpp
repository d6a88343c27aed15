#include "agent/cli/driver_call.h"

#include <nlohmann/json.hpp>

#include "agent/cli/child_call.h"

namespace joulespool::cli {
namespace {

using nlohmann::json;

// The driver's own limits: 20 s to end itself when an instrument hangs; 5 s to open one.
constexpr int64_t version_patience_ms = 30000;
constexpr int64_t list_patience_ms = 60000;

std::string dump(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string dump(const Error& error) { return dump(json{{"code", static_cast<int>(error.code)}, {"error", error.message}}); }

// Runs `answer` in a child; what it returns is a document, or an error as dump() writes it.
Result<json> ask(const std::function<std::string()>& answer, int64_t patience_ms, Clock& clock) {
  const auto text = call_in_child(answer, patience_ms, clock);
  if (!text)
    return Error{text.error().code,
                 "the Joulescope driver: " + text.error().message +
                     "; a JS110 in bootloader mode makes it crash: unplug such a one (joulespool doctor names it)"};
  auto document = json::parse(*text, nullptr, false);
  if (!document.is_object()) return Error{Errc::internal, "the Joulescope driver: it ended in the middle of its answer"};
  if (document.contains("error")) return Error{static_cast<Errc>(document.at("code").get<int>()), document.at("error")};
  return document;
}

}  // namespace

Result<std::string> ask_driver_version(const std::string& library, Clock& clock) {
  const auto answer = ask(
      [&library] {
        const auto version = device::driver_version(library);
        return version ? dump(json{{"version", *version}}) : dump(version.error());
      },
      version_patience_ms, clock);
  if (!answer) return answer.error();
  return answer->at("version").get<std::string>();
}

Result<std::vector<device::InstrumentEntry>> ask_instruments(const std::string& library, Clock& clock) {
  const auto answer = ask(
      [&library] {
        const auto entries = device::list_instruments(library);
        if (!entries) return dump(entries.error());
        json listed = json::array();
        for (const device::InstrumentEntry& entry : *entries)
          listed.push_back({entry.identity.model, entry.identity.serial, entry.firmware, entry.problem});
        return dump(json{{"instruments", listed}});
      },
      list_patience_ms, clock);
  if (!answer) return answer.error();
  std::vector<device::InstrumentEntry> entries;
  for (const json& one : answer->at("instruments"))
    entries.push_back({wire::device_identity(one.at(0).get<std::string>(), one.at(1).get<std::string>()), one.at(2), one.at(3)});
  return entries;
}

}  // namespace joulespool::cli
