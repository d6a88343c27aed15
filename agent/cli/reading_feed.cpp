#include "agent/cli/reading_feed.h"

#include <nlohmann/json.hpp>

#include "agent/app/sources.h"
#include "agent/cli/device_flags.h"
#include "agent/cli/live_sink.h"

namespace joulespool::cli {
namespace {

class AgentFeed final : public ReadingFeed {
 public:
  AgentFeed(std::string spool_directory, Clock& clock) : spool_directory_(std::move(spool_directory)), clock_(clock) {}

  Result<std::vector<DeviceReading>> read() override {
    const auto status = ask_status(spool_directory_, clock_);
    if (!status) return status.error().in("the agent went away");
    auto readings = readings_of(*status);
    if (readings) std::erase_if(*readings, [](const DeviceReading& reading) { return reading.is_absent(); });
    return readings;
  }
  [[nodiscard]] bool may_come(const std::string&) const override { return false; }
  [[nodiscard]] bool is_over() override { return false; }

 private:
  const std::string spool_directory_;
  Clock& clock_;
};

class DirectFeed final : public ReadingFeed {
 public:
  DirectFeed(device::JoulescopeSettings instruments, Clock& clock) : instruments_(std::move(instruments)), sink_(clock) {}
  ~DirectFeed() override {
    for (const auto& source : sources_) source->stop();
  }

  Status start(std::vector<std::unique_ptr<device::SampleSource>> sources) {
    sources_ = std::move(sources);
    for (const auto& source : sources_) {
      for (const wire::DeviceIdentity& identity : source->devices()) sink_.expect(identity, source->kind());
      JOULESPOOL_TRY(source->start(sink_, {}), std::string(source->kind()));
    }
    return {};
  }
  Result<std::vector<DeviceReading>> read() override { return sink_.take(); }
  [[nodiscard]] bool may_come(const std::string& device) const override {
    return device::find_selection(instruments_, device) != nullptr;
  }
  [[nodiscard]] bool is_over() override { return instruments_.selections.empty() && sink_.is_over(); }

 private:
  const device::JoulescopeSettings instruments_;
  LiveSink sink_;
  std::vector<std::unique_ptr<device::SampleSource>> sources_;
};

}  // namespace

std::unique_ptr<ReadingFeed> make_agent_feed(std::string spool_directory, Clock& clock) {
  return std::make_unique<AgentFeed>(std::move(spool_directory), clock);
}

Result<std::unique_ptr<ReadingFeed>> make_direct_feed(const config::Settings& settings, Clock& clock) {
  auto instruments = app::joulescope_settings(settings);
  if (!instruments) return instruments.error();
  auto sources = app::make_sources(settings, clock);
  if (!sources) return sources.error();
  auto feed = std::make_unique<DirectFeed>(std::move(*instruments), clock);
  if (const Status started = feed->start(std::move(*sources)); !started) return started.error();
  return std::unique_ptr<ReadingFeed>(std::move(feed));
}

}  // namespace joulespool::cli
