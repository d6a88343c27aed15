#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/app/spool_push.h"
#include "agent/base/log.h"
#include "agent/base/stop_signals.h"
#include "agent/base/units.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/cli/time_flags.h"

namespace joulespool::cli {
namespace {

struct PushFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::string broker, username, timeout;
  bool keep = false;
};

// The password is no flag: every process could see it. With --broker the file of this machine's own agent is not read.
Result<app::PushSettings> push_settings(const PushFlags& flags, const Surroundings& surroundings) {
  app::PushSettings settings;
  settings.keep = flags.keep;
  if (!flags.timeout.empty()) {
    const auto timeout_ns = parse_duration("--timeout", flags.timeout);
    if (!timeout_ns) return timeout_ns.error();
    settings.timeout_ns = *timeout_ns;
  }
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  settings.directory = place->directory;
  const auto loaded = flags.spool->load(surroundings, flags.broker.empty());
  if (!loaded) return loaded.error();
  const auto& mqtt = loaded->settings.mqtt;
  settings.broker = {flags.broker.empty() ? mqtt.uri : flags.broker, flags.username.empty() ? mqtt.username : flags.username,
                     mqtt.password};
  return settings;
}

// What it waits for, on stderr, each thing once as long as it lasts.
class Telling {
 public:
  Telling(const Surroundings& surroundings, bool json) : surroundings_(surroundings), json_(json) {}

  void operator()(const app::PushProgress& now) {
    if (!progress_)
      progress_.emplace(surroundings_.clock, surroundings_.err, shows_progress(surroundings_, json_), "push", now.frames,
                        Progress::Unit::frames);
    const int64_t now_ns = surroundings_.clock.monotonic_ns();
    if (now.waiting_for != waiting_for_) {
      waiting_for_ = now.waiting_for;
      since_ns_ = now_ns;
      said_ = false;
    }
    if (!waiting_for_.empty() && !said_ && now_ns - since_ns_ > patience_ns) {
      progress_->clear();
      surroundings_.err << "joulespool: waiting: " << printable(waiting_for_) << '\n';
      said_ = true;
    }
    progress_->advance(now.frames_settled - settled_);
    settled_ = now.frames_settled;
  }

 private:
  static constexpr int64_t patience_ns = 2 * ns_per_s;
  const Surroundings& surroundings_;
  const bool json_;
  std::optional<Progress> progress_;
  std::string waiting_for_;
  int64_t since_ns_ = 0;
  bool said_ = false;
  uint64_t settled_ = 0;
};

std::string_view to_string(app::PushResult::End end) {
  switch (end) {
    case app::PushResult::End::all_settled: return "all_settled";
    case app::PushResult::End::stopped: return "stopped";
    case app::PushResult::End::gave_up: return "gave_up";
  }
  return "?";
}

nlohmann::json to_json(const app::PushResult& result) {
  nlohmann::json json = {{"version", json_version},           {"host", result.host},       {"end", to_string(result.end)},
                         {"frames", result.frames},           {"bytes", result.bytes},     {"delivered", result.delivered},
                         {"rejected", result.rejected},       {"damaged", result.damaged}, {"set_aside", result.set_aside},
                         {"kept_frames", result.kept_frames}, {"removed", result.removes}, {"unsent", nlohmann::json::array()}};
  json["waited_for"] = result.reason.empty() ? nlohmann::json() : nlohmann::json(result.reason);
  for (const app::UnsentFrame& frame : result.unsent)
    json["unsent"].push_back({{"device", frame.id.sequence.device},
                              {"lane", to_string(frame.id.sequence.lane)},
                              {"epoch", hex_id(frame.id.sequence.epoch)},
                              {"seq", frame.id.seq},
                              {"reason", frame.reason}});
  return json;
}

void print(const app::PushResult& result, std::ostream& out) {
  for (const app::UnsentFrame& frame : result.unsent)
    out << frame.id.sequence.device << ' ' << to_string(frame.id.sequence.lane) << " epoch " << hex_id(frame.id.sequence.epoch)
        << " seq " << frame.id.seq << ": NOT SENT: " << printable(frame.reason) << '\n';
  out << result.delivered << " of " << result.frames << " frames (" << format_bytes(result.bytes) << ") of host " << result.host
      << " are in Kinesis\n";
  const uint64_t unsent = result.rejected + result.damaged;
  if (unsent > 0) {
    out << unsent << " never will be: " << result.rejected << " rejected, " << result.damaged << " damaged";
    if (result.set_aside > 0) out << "; " << result.set_aside << " were set aside in quarantine/, and gap records say so";
    out << '\n';
  }
  if (result.kept_frames > 0) out << result.kept_frames << " frames are kept on the host only, and were not sent\n";
  out << (result.removes ? "what was delivered has left the spool" : "nothing was removed: " + result.removes_not) << '\n';
}

Result<ExitCode> exit_code_of(const app::PushResult& result, const Surroundings& surroundings) {
  if (result.end == app::PushResult::End::gave_up)
    return Error{Errc::unreachable, "gave up waiting for " + printable(result.reason) + "; the next push goes on from here"};
  if (result.end == app::PushResult::End::stopped) {
    surroundings.err << "joulespool: stopped before everything was delivered; the next push goes on from here\n";
    return exit_no;
  }
  return result.rejected + result.damaged > 0 ? exit_no : exit_ok;
}

Result<ExitCode> push(const PushFlags& flags, const Surroundings& surroundings) {
  const auto settings = push_settings(flags, surroundings);
  if (!settings) return settings.error();
  set_log_level(LogLevel::error);
  const StopSignals signals;  // before any thread is made
  Telling telling(surroundings, flags.spool->json);
  const auto result = app::push_spool(*settings, surroundings.clock, signals.token(), std::ref(telling));
  if (!result) {
    if (result.error().code == Errc::not_found) return Error{Errc::unreachable, result.error().message};
    return result.error();
  }
  for (const std::string& notice : result->notices) surroundings.err << "joulespool: " << notice << '\n';
  if (flags.spool->json)
    surroundings.out << to_json(*result).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else print(*result, surroundings.out);
  return exit_code_of(*result, surroundings);
}

}  // namespace

Action add_spool_push(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<PushFlags>();
  flags->spool = SpoolFlags::add(app);
  app.add_option("--broker", flags->broker, "Broker to send to, tcp://host:port. Without it: mqtt.uri of the settings")
      ->type_name("URI");
  app.add_option(
         "--username", flags->username,
         "User at the broker. Without it: mqtt.username of the settings. The password: mqtt.password or JOULESPOOL_MQTT_PASSWORD")
      ->type_name("NAME");
  app.add_flag("--keep", flags->keep, "Leave delivered frames in the spool");
  app.add_option("--timeout", flags->timeout, "Give up when nothing was delivered for so long: 30s, 10m (default: never)")
      ->type_name("DURATION");
  return [flags, &surroundings] { return push(*flags, surroundings); };
}

}  // namespace joulespool::cli
