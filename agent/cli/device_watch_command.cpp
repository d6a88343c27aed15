#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "agent/base/stop_signals.h"
#include "agent/cli/device_flags.h"
#include "agent/cli/live_view.h"
#include "agent/cli/reading_feed.h"

namespace joulespool::cli {
namespace {

struct WatchFlags {
  std::shared_ptr<DeviceFlags> device;
  std::string id;  // empty: all
  int64_t interval_ms = 250;
  uint64_t count = 0;  // 0: until stopped
};

// Where readings go: a terminal is drawn anew in place, everything else gets lines.
class Display {
 public:
  Display(const WatchFlags& flags, const Surroundings& surroundings)
      : as_json_(flags.device->json),
        in_place_(!as_json_ && &surroundings.out == &std::cout && isatty(STDOUT_FILENO) == 1),
        surroundings_(surroundings),
        view_(flags.interval_ms) {}

  void show(const std::vector<DeviceReading>& readings) {
    if (in_place_) draw(readings);
    else
      for (const DeviceReading& reading : readings) write(reading);
    surroundings_.out.flush();
  }

 private:
  void write(const DeviceReading& reading) {
    const int64_t utc_ns = surroundings_.clock.realtime_ns();
    if (as_json_)
      surroundings_.out << to_json(reading, utc_ns).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    else surroundings_.out << reading_line(reading, utc_ns) << '\n';
  }
  void draw(const std::vector<DeviceReading>& readings) {
    winsize window{};
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 1;
    view_.add(readings);
    const auto lines = is_known ? view_.lines(window.ws_col, window.ws_row - 1U) : view_.lines(80, 23);
    surroundings_.out << redraw(lines, lines_drawn_);
    lines_drawn_ = lines.size();
  }

  const bool as_json_;
  const bool in_place_;
  const Surroundings& surroundings_;
  LiveView view_;
  size_t lines_drawn_ = 0;
};

// Without a [[device]], the instruments that are there, with nothing of them changed.
config::Settings with_devices(config::Settings settings, const std::string& id) {
  if (!settings.devices.empty()) return settings;
  config::DeviceSettings any;
  any.origin = "joulespool device watch";
  any.source = config::SourceKind::joulescope;
  any.devices = {id.empty() ? "*" : id};
  any.power_safe = true;
  settings.devices.push_back(any);
  return settings;
}

// The agent if one runs, because it holds the instruments.
Result<std::unique_ptr<ReadingFeed>> make_feed(const config::Settings& settings, const std::string& id,
                                               const Surroundings& surroundings) {
  const auto status = ask_status(settings.spool.directory, surroundings.clock);
  if (!status && status.error().code != Errc::unreachable) return status.error();
  surroundings.err << (status ? "joulespool: reading from the running agent" : "joulespool: no agent runs: opening devices here")
                   << "; Ctrl-C ends\n";
  if (status) return make_agent_feed(settings.spool.directory, surroundings.clock);
  return make_direct_feed(with_devices(settings, id), surroundings.clock);
}

Error unknown_device(const std::string& id, const std::vector<DeviceReading>& readings) {
  std::string known;
  for (const DeviceReading& reading : readings) known += (known.empty() ? "" : ", ") + reading.identity.id;
  return {Errc::usage, "no device " + id + "; known are: " + (known.empty() ? "none" : known)};
}

// Those that were asked for. Errors: usage (it is not known and cannot come).
Result<std::vector<DeviceReading>> chosen(ReadingFeed& feed, const std::string& id) {
  auto readings = feed.read();
  if (!readings || id.empty()) return readings;
  std::vector<DeviceReading> one;
  std::copy_if(readings->begin(), readings->end(), std::back_inserter(one),
               [&](const DeviceReading& reading) { return reading.identity.id == id; });
  if (one.empty() && !feed.may_come(id)) return unknown_device(id, *readings);
  return one;
}

Status watch_feed(ReadingFeed& feed, const WatchFlags& flags, const std::stop_token& stop, const Surroundings& surroundings) {
  if (const auto first = chosen(feed, flags.id); !first) return first.error();
  Display display(flags, surroundings);
  Clock& clock = surroundings.clock;
  int64_t next_ns = clock.monotonic_ns();
  for (uint64_t shown = 0; flags.count == 0 || shown < flags.count; ++shown) {
    next_ns = std::max(next_ns + flags.interval_ms * ns_per_ms, clock.monotonic_ns());
    if (feed.is_over() || !clock.wait_until(next_ns, stop)) break;
    const auto readings = chosen(feed, flags.id);
    if (!readings) return readings.error();
    if (shown == 0 && readings->empty())
      surroundings.err << "joulespool: no device is there yet; 'joulespool device list' may say why\n";
    display.show(*readings);
    if (!surroundings.out) break;  // nobody reads any more; told by who called
  }
  return {};
}

Result<ExitCode> watch(const WatchFlags& flags, const Surroundings& surroundings) {
  const auto loaded = flags.device->load(surroundings);
  if (!loaded) return loaded.error();
  const StopSignals stop;
  const auto feed = make_feed(loaded->settings, flags.id, surroundings);
  if (!feed) return feed.error();
  if (const Status watched = watch_feed(**feed, flags, stop.token(), surroundings); !watched) return watched.error();
  return exit_ok;
}

}  // namespace

Action add_device_watch(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<WatchFlags>();
  flags->device = DeviceFlags::add(app);
  app.add_option("DEVICE", flags->id, "Only this one, for example js220-001122");
  app.add_option("--interval-ms", flags->interval_ms, "Time from reading to reading (default 250)")
      ->type_name("ms")
      ->check(CLI::Range(20, 60000));
  app.add_option("--count", flags->count, "End after that many readings; 0: when stopped")->type_name("N");
  return [flags, &surroundings] { return watch(*flags, surroundings); };
}

}  // namespace joulespool::cli
