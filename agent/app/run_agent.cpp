#include "agent/app/run_agent.h"

#include <random>
#include <thread>

#include "agent/app/agent_status.h"
#include "agent/app/control_socket.h"
#include "agent/app/scrub.h"
#include "agent/app/sources.h"
#include "agent/app/writer.h"
#include "agent/base/log.h"
#include "agent/base/stop_signals.h"
#include "agent/base/version.h"
#include "agent/mqtt/paho_bus.h"
#include "agent/spool/sqlite_spool.h"
#include "agent/uplink/uplink.h"
#include "agent/wire/event_json.h"

namespace joulespool::app {
namespace {

uint64_t random_number() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32) | random();
}

std::string random_hex() {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random_number()));
  return text;
}

NextSeqs next_seqs(const spool::SpoolWriter& spool, const std::string& device) {
  NextSeqs seqs{};
  for (const wire::Lane lane : wire::lanes) seqs[static_cast<size_t>(lane) - 1] = spool.next_seq({device, spool.epoch(), lane});
  return seqs;
}

spool::SpoolOptions spool_options(const config::Settings& settings) {
  const auto lane = [](const config::LaneRetention& of) {
    return spool::LaneRetention{of.share_percent, of.age_max_h * 3600 * ns_per_s};
  };
  spool::SpoolOptions options;
  options.directory = settings.spool.directory;
  options.host = settings.host;
  options.budget_bytes = settings.spool.budget_bytes;
  options.segment_bytes = settings.spool.segment_bytes;
  options.stat = lane(settings.spool.stat);
  options.wave = lane(settings.spool.wave);
  return options;
}

uplink::UplinkSettings uplink_settings(const config::Settings& settings) {
  uplink::UplinkSettings made;
  made.host = settings.host;
  made.drain.window_bytes = settings.uplink.window_bytes;
  made.drain.window_frames = settings.uplink.window_frames;
  made.drain.ack_timeout_ns = settings.uplink.ack_timeout_ms * ns_per_ms;
  made.state_interval_ns = settings.uplink.state_interval_ms * ns_per_ms;
  made.backoff_seed = random_number();
  return made;
}

mqtt::BusOptions bus_options(const config::Settings& settings, const std::string& offline) {
  mqtt::BusOptions options;
  options.uri = settings.mqtt.uri;
  options.client_id = settings.mqtt.client_id;
  options.username = settings.mqtt.username;
  options.password = settings.mqtt.password;
  options.keep_alive_s = settings.mqtt.keep_alive_s;
  options.has_will = true;
  options.will = uplink::state_message(settings.host, offline);
  return options;
}

// Builds from the bottom up and takes down from the top: sources first, then the check, then the writer empties the ring, then
// the uplink.
class Agent {
 public:
  explicit Agent(const config::Settings& settings) : settings_(settings) {}

  Status start() {
    identity_ = {settings_.host, random_hex(), clock_.monotonic_ns(), settings_.spool.directory, settings_.spool.budget_bytes};
    JOULESPOOL_TRY(open_spool(), "spool");
    auto sources = make_sources(settings_, clock_);
    if (!sources) return sources.error();
    sources_ = std::move(*sources);
    JOULESPOOL_TRY(make_writer(), "spool");
    JOULESPOOL_TRY(make_uplink(), "uplink");
    make_scrub();
    JOULESPOOL_TRY(control_.start(settings_.spool.directory, [this](const std::string& request) { return answer(request); }),
                   "control");
    writer_thread_ = std::jthread([this](const std::stop_token& stop) { writer_->run(stop); });
    JOULESPOOL_TRY(uplink_->start(), "uplink");
    for (const auto& source : sources_) JOULESPOOL_TRY(source->start(*ring_, resume_), std::string(source->kind()));
    scrub_thread_ = std::jthread([this](const std::stop_token& stop) { scrub_->run(stop); });
    log_event(LogLevel::info, "agent_started",
              {{"version", version()},
               {"host", settings_.host},
               {"devices", settings_.devices.size()},
               {"spool", settings_.spool.directory},
               {"epoch", spool_->epoch()},
               {"broker", settings_.mqtt.uri}});
    return {};
  }

  void stop() {
    for (const auto& source : sources_) source->stop();
    if (scrub_thread_.joinable()) {
      scrub_thread_.request_stop();
      scrub_thread_.join();
    }
    if (writer_thread_.joinable()) {
      writer_thread_.request_stop();
      writer_thread_.join();
    }
    if (uplink_) uplink_->stop();
    log_event(LogLevel::info, "agent_stopped");
  }

 private:
  Status open_spool() {
    auto writer = spool::open_spool_writer(spool_options(settings_));
    if (!writer) return writer.error();
    spool_ = std::move(*writer);
    for (const std::string& notice : spool_->take_notices()) log_event(LogLevel::warning, "spool_noted", {{"notice", notice}});
    return {};
  }

  [[nodiscard]] PipelineSettings pipeline_settings(const wire::DeviceIdentity& device, const std::string& source) const {
    PipelineSettings made;
    made.host = settings_.host;
    made.device = device;
    made.source = source;
    made.boot = identity_.boot;
    made.epoch = spool_->epoch();
    made.window_us = settings_.stat_window_us;
    made.wave = settings_.wave_mode;
    made.wave_rate_hz = settings_.wave_rate_hz;
    made.wave_budget_bytes_per_s = settings_.wave_budget_bytes_per_s;
    made.frame_size_max_bytes = settings_.frame_size_max_bytes;
    made.labels = settings_.labels;
    made.clock_tolerance_ns = settings_.capture_clock_tolerance_us * ns_per_us;
    made.cross_check_ppm = settings_.capture_cross_check_ppm;
    return made;
  }

  [[nodiscard]] std::unique_ptr<DevicePipeline> make_pipeline(const wire::DeviceIdentity& device, const std::string& source,
                                                              const std::optional<spool::DevicePosition>& stored) const {
    return std::make_unique<DevicePipeline>(pipeline_settings(device, source), stored, next_seqs(*spool_, device.id));
  }

  // Of an instrument that appears: its model's full rate.
  [[nodiscard]] size_t room_of(const std::string& device) const {
    config::DeviceSettings appearing;
    appearing.identity.model = device.substr(0, device.find('-'));
    return ring_samples(settings_, appearing);
  }

  // A pipeline for every device that is known to deliver, and for every other one that the spool knows: it may appear, its
  // frames may still be lost, and only its pipeline can say so. Instruments that nobody knows get theirs when they appear.
  Status make_writer() {
    const auto positions = spool_->positions();
    if (!positions) return positions.error();
    std::map<std::string, spool::DevicePosition> stored;
    for (const spool::DevicePosition& position : *positions) {
      stored.emplace(position.device.id, position);
      resume_[position.device.id] = {position.axis, position.sample_id_end, position.utc};
    }
    std::vector<std::unique_ptr<DevicePipeline>> pipelines;
    std::map<std::string, size_t> rooms;
    for (const config::DeviceSettings& device : settings_.devices) {
      if (device.source == config::SourceKind::joulescope) continue;
      const std::string& id = device.identity.id;
      rooms[id] = ring_samples(settings_, device);
      const auto at = stored.find(id);
      const std::string source = device.source == config::SourceKind::simulated ? "simulated" : "replay";
      pipelines.push_back(make_pipeline(device.identity, source, at == stored.end() ? std::nullopt : std::optional(at->second)));
      stored.erase(id);
    }
    for (const auto& [id, position] : stored) pipelines.push_back(make_pipeline(position.device, source_absent, position));
    ring_ = std::make_unique<SampleRing>(std::move(rooms), [this](const std::string& device) { return room_of(device); });
    Writer::Listener listener;
    listener.committed = [this] { uplink_->frames_committed(); };
    listener.published = [this] { return uplink_->published(); };
    listener.event = [this](const std::string& device, const wire::Event& event) {
      uplink_->publish_event(wire::event_message(device, event));
    };
    writer_ = std::make_unique<Writer>(
        WriterSettings{settings_.spool.commit_window_ms, settings_.spool.budget_bytes}, clock_, *ring_, *spool_,
        std::move(pipelines), std::move(listener),
        [this](const wire::DeviceIdentity& device) { return make_pipeline(device, source_joulescope, std::nullopt); });
    return {};
  }

  Status make_uplink() {
    auto reader = spool::open_spool_reader(settings_.spool.directory);
    if (!reader) return reader.error();
    uplink::UplinkCallbacks callbacks;
    callbacks.on_stored = [this](auto ranges) { writer_->frames_stored(ranges); };
    callbacks.on_rejected = [this](const wire::FrameId& id, const std::string& reason) {
      writer_->frame_lost(id, wire::GapReason::rejected, reason);
    };
    callbacks.on_damaged = [this](const wire::FrameId& id) {
      writer_->frame_lost(id, wire::GapReason::corrupt, "the stored bytes do not match their checksum");
    };
    callbacks.state_json = [this] { return status(); };
    callbacks.offline_state_json = [this] { return offline_json(identity_); };
    const auto make_bus = [this](mqtt::BusListener listener) {
      return mqtt::make_paho_bus(bus_options(settings_, offline_json(identity_)), std::move(listener));
    };
    uplink_ =
        std::make_unique<uplink::Uplink>(uplink_settings(settings_), clock_, make_bus, std::move(*reader), std::move(callbacks));
    return {};
  }

  // What it finds becomes gap records by the writer; while commits fail it keeps out of the way.
  void make_scrub() {
    Scrub::Surroundings around;
    around.open = [this] { return spool::open_spool_reader(settings_.spool.directory); };
    around.damaged = [this](const wire::FrameId& id, const std::string& what) {
      writer_->frame_lost(id, wire::GapReason::corrupt, what);
    };
    around.may_read = [this] { return writer_->status().spool_error.empty(); };
    const ScrubSettings scrub{settings_.spool.check_interval_h * 3600 * ns_per_s, settings_.spool.check_bytes_per_s};
    scrub_ = std::make_unique<Scrub>(scrub, clock_, std::move(around));
  }

  std::string status() { return status_json(identity_, writer_->status(), *ring_, uplink_->status(), scrub_->status(), clock_); }

  std::string answer(const std::string& request) {
    if (request.find("\"status\"") != std::string::npos) return status();
    return R"({"version":1,"error":"unknown request"})";
  }

  const config::Settings& settings_;
  SystemClock clock_;
  AgentIdentity identity_;
  std::unique_ptr<spool::SpoolWriter> spool_;
  device::ResumePoints resume_;
  std::unique_ptr<SampleRing> ring_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<uplink::Uplink> uplink_;
  std::vector<std::unique_ptr<device::SampleSource>> sources_;
  std::unique_ptr<Scrub> scrub_;
  std::jthread writer_thread_;
  std::jthread scrub_thread_;
  ControlSocket control_;  // last: it asks all of the others
};

}  // namespace

Status run_agent(const config::Settings& settings) {
  const StopSignals signals;  // before any thread is made: all inherit that they are blocked
  SystemClock clock;
  Agent agent(settings);
  auto status = agent.start();
  while (status && !signals.token().stop_requested()) clock.wait_until(clock.monotonic_ns() + 3600 * ns_per_s, signals.token());
  agent.stop();
  return status;
}

}  // namespace joulespool::app
