#include "agent/base/option_rows.h"
#include "agent/config/option_rules.h"
#include "agent/wire/frame.h"

namespace joulespool::config {
namespace {

using rows::choice, rows::integer, rows::list, rows::secret, rows::text;

constexpr double kibi = 1024;
constexpr double mebi = kibi * kibi;
constexpr double tebi = mebi * mebi;

OptionTable make_table() {
  return {
      text("host", "",
           "Name of this machine in topics and frames: a-z, 0-9 and '-', at most 63. Empty: the hostname in lower case.",
           check_id_or_empty),
      list("labels", {}, "Labels that every frame carries, each key=value.", check_labels),
      text("spool.directory", "/var/lib/joulespool/spool", "Where frames wait until Kinesis has them. One agent per directory.",
           check_not_empty),
      integer(
          "spool.budget-bytes", "bytes", 1024 * 1024 * 1024, 16 * mebi, 64 * tebi,
          "Disk space for the whole spool. Beyond it the oldest waveforms are dropped, windows of lane stat that wait are merged "
          "into "
          "longer ones (10, 100, 1000 times), which costs resolution and no energy, and at last frames of lane stat are dropped. "
          "What is dropped before it was sent leaves a gap record."),
      integer(
          "spool.stat-share-percent", "%", 45, 0, 95,
          "Part of the budget for lane stat. Waveforms go before its windows are merged; the other way round while it takes more "
          "than its part, and lane wave no more than its own."),
      integer("spool.wave-share-percent", "%", 50, 0, 95, "Part of the budget for lane wave. Both parts together: at most 95."),
      integer("spool.stat-age-max-h", "h", 0, 0, 87600,
              "Frames of lane stat that are older leave the spool, those not sent yet with a gap record. 0: no limit."),
      integer("spool.wave-age-max-h", "h", 0, 0, 87600, "The same for lane wave."),
      integer(
          "spool.card-endurance-bytes", "bytes", 0, 0, 1e18,
          "Bytes that the card or disk under the spool may be written in its life, by its maker's word (its TBW; without one, "
          "capacity times 3000 for MLC, 1000 for TLC): spool stat tells from it how long the card will last. 0: not known."),
      integer("spool.commit-window-ms", "ms", 250, 10, 10000,
              "How often frames are written to disk: what a power cut can take at most."),
      integer("spool.segment-bytes", "bytes", 0, 0, 64 * mebi,
              "Size of a segment, a file of the spool that is written once and removed whole. The spool opens by reading one, so "
              "on a card "
              "smaller is faster; larger ones are fewer files, each with a copy of what the spool holds. 0: 1/32 of the budget, "
              "256 KiB to 16 "
              "MiB."),
      integer("spool.check-interval-h", "h", 24, 0, 8760,
              "How often every frame in the spool is read and checked, slowly and in the background; damaged ones are set aside "
              "with a gap record. 0: never."),
      integer("spool.check-bytes-per-s", "bytes/s", static_cast<int64_t>(mebi), 4 * kibi, 1e9, "How fast that reads."),
      integer("frame.size-max-bytes", "bytes", wire::frame_size_max_default, 16 * kibi, mebi - 4 * kibi,
              "Largest frame. The broker must take messages of this size: AWS IoT Core takes 128 KiB."),
      integer("stat.window-us", "us", 1000, 100, 1e6, "Length of a window of lane stat."),
      choice("wave.mode", "off", {"off", "keep", "upload"},
             "The waveform: not stored, kept on this machine while there is room, or uploaded."),
      integer(
          "wave.rate-hz", "Hz", 0, 0, wave_rate_max_hz,
          "Rate of the waveform, of 100, 200, 500, ... 1000000; 0: the full rate. Devices with less keep theirs. What is lower "
          "is filtered, and all lanes of the device come up to 15 samples of it later: 0.12 s at 100 Hz, 1.5 ms at 10 kHz.",
          check_wave_rate),
      integer(
          "wave.budget-bytes-per-s", "bytes/s", 0, 0, 1e9,
          "How much a device's waveform may take; 0: as much as it needs. Each frame then has the finest resolution that fits, "
          "from all samples down to 1 kHz, and below that statistics only. All lanes of the device come 12 ms later."),
      integer("capture.ring-ms", "ms", 2000, 100, 60000,
              "How much of a device's samples may wait in memory for the writer. What does not fit is an overrun gap."),
      integer(
          "capture.clock-tolerance-us", "us", 5000, 1, 1e9,
          "A device's map from samples to UTC moves a little all the time; a correction is recorded when it adds up to more."),
      integer("capture.cross-check-ppm", "ppm", 1000, 0, 1e6,
              "The instrument's own charge and energy may differ from those of its samples by so much before an event says so; "
              "0: off."),
      text("driver.library", "",
           "Path of the Joulescope driver libjsdrv.so (docs/joulescope.md). Empty: where the system's loader finds it."),
      text("mqtt.uri", "tcp://127.0.0.1:1883", "The broker: tcp://host:port.", rows::check_tcp_uri),
      text("mqtt.client-id", "", "Name at the broker. Empty: joulespool-<host>."),
      text("mqtt.username", "", "User at the broker. Empty: none."),
      secret(text("mqtt.password", "", "Password at the broker; rather in the environment than in a file others can read.")),
      integer("mqtt.keep-alive-s", "s", 20, 5, 3600,
              "Longest silence on the connection; a dead one is noticed after 1.5 times that."),
      integer("uplink.window-bytes", "bytes", 8 * 1024 * 1024, mebi, 1024 * mebi,
              "Bytes on the way to Kinesis without an ack, at most."),
      integer("uplink.window-frames", "", 512, 1, 65536, "Frames on the way to Kinesis without an ack, at most."),
      integer("uplink.ack-timeout-ms", "ms", 5000, 100, 600000, "A frame without an ack after this time is sent again."),
      integer("uplink.state-interval-ms", "ms", 5000, 100, 600000, "How often the agent's state is published."),
      choice("log.level", "info", {"debug", "info", "warning", "error"}, "Least important log lines on stderr."),
  };
}

}  // namespace

const OptionTable& agent_options() {
  static const OptionTable table = make_table();
  return table;
}

}  // namespace joulespool::config
