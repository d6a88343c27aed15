#include "agent/device/replay_source.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "agent/device/column_file.h"
#include "tests/contract/sample_source_contract.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using device::Recording;
using device::ReplayDevice;
using device::ReplaySource;
using device::SourceEvent;
using test::CollectingSink;
using test::KeptBlock;

namespace {

const std::string event_path = "tests/data/js220-ble-event";
const std::string ppk2_path = "tests/data/ppk2-ble-advertising.i.f32.zst";

ReplayDevice js220_event() {
  ReplayDevice settings;
  settings.serial = "001122";
  settings.i_path = event_path + ".i.f32";
  settings.v_path = event_path + ".v.f32";
  settings.sample_rate_hz = 1'000'000;
  return settings;
}

ReplayDevice ppk2() {
  ReplayDevice settings;
  settings.model = "ppk2";
  settings.serial = "52";
  settings.i_path = ppk2_path;
  settings.v_constant = 3.3;
  settings.sample_rate_hz = 100'000;
  return settings;
}

// A folder of its own for each test, gone afterwards.
class Folder {
 public:
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return directory_ / name;
  }
  std::string write(const std::string& name, const std::vector<float>& values) const {
    return write(name, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  }

 private:
  joulespool::test::TemporaryDirectory directory_;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void check_values(const Recording& recording, const std::vector<KeptBlock>& blocks) {
  for (const KeptBlock& block : blocks)
    for (size_t k = 0; k < block.i.size(); ++k) {
      const device::ReplaySample sample = recording.sample_at(block.sample_id + k * block.axis.decimation);
      REQUIRE(std::bit_cast<uint32_t>(block.i[k]) == std::bit_cast<uint32_t>(sample.i));
      REQUIRE(std::bit_cast<uint32_t>(block.v[k]) == std::bit_cast<uint32_t>(sample.v));
      if (!block.p.empty()) REQUIRE(std::bit_cast<uint32_t>(block.p[k]) == std::bit_cast<uint32_t>(sample.p));
    }
}

std::unique_ptr<CollectingSink> run_unpaced(ReplayDevice settings, const joulespool::device::ResumePoints& resume = {}) {
  ManualClock clock;
  settings.unpaced = true;
  ReplaySource source(clock, {settings});
  auto sink = std::make_unique<CollectingSink>();
  REQUIRE(source.start(*sink, resume).ok());
  REQUIRE(sink->wait_for_event(settings.identity().id, SourceEvent::Kind::ended));
  source.stop();
  return sink;
}

Error load_error(const ReplayDevice& settings) {
  const auto recording = Recording::load(settings);
  REQUIRE(!recording.ok());
  ManualClock clock;
  CollectingSink sink;
  const Status status = ReplaySource(clock, {settings}).start(sink, {});
  REQUIRE(!status.ok());
  CHECK(status.error().message == recording.error().message);
  CHECK(sink.call_count() == 0);
  return recording.error();
}

bool says(const Error& error, const std::string& text) { return error.message.find(text) != std::string::npos; }

}  // namespace

TEST_CASE("replay source: keeps the contract") {
  const test::SampleSourceCase source_case{[](Clock& clock) {
                                             std::vector<ReplayDevice> devices{js220_event(), ppk2()};
                                             for (ReplayDevice& device : devices) device.loop = true;
                                             devices[0].sample_rate_hz = 10'000;
                                             return std::make_unique<ReplaySource>(clock, devices);
                                           },
                                           [](Clock& clock) {
                                             std::vector<ReplayDevice> devices{js220_event(), ppk2()};
                                             for (ReplayDevice& device : devices) device.loop = device.unpaced = true;
                                             devices[0].duration_s = 0.02;
                                             devices[0].block_ms = 3;
                                             devices[1].duration_s = 0.5;
                                             return std::make_unique<ReplaySource>(clock, devices);
                                           },
                                           true};
  test::check_sample_source_contract(source_case);
}

TEST_CASE("replay source: a recording comes out as it is in the file, once") {
  ReplayDevice settings = js220_event();
  settings.p_path = event_path + ".p.f32";
  settings.block_ms = 1;
  const auto sink = run_unpaced(settings);
  std::vector<float> i, v, p;
  for (const KeptBlock& block : sink->blocks("js220-001122")) {
    i.insert(i.end(), block.i.begin(), block.i.end());
    v.insert(v.end(), block.v.begin(), block.v.end());
    p.insert(p.end(), block.p.begin(), block.p.end());
    CHECK(block.axis.counter_rate_hz == 2'000'000);
    CHECK(block.axis.decimation == 2);
  }
  CHECK(i == *device::read_column(settings.i_path));
  CHECK(v == *device::read_column(settings.v_path));
  CHECK(p == *device::read_column(settings.p_path));
  CHECK(i.size() == 6'000);
  test::check_continuous(*sink, "js220-001122");
  for (size_t k = 0; k < i.size(); ++k) REQUIRE(p[k] == i[k] * v[k]);  // as the instrument's driver computes it
}

TEST_CASE("replay source: a compressed current with a constant voltage") {
  const auto recording = Recording::load(ppk2());
  REQUIRE(recording.ok());
  CHECK(recording->size() == 1'200'000);
  CHECK(!recording->has_power());
  CHECK(recording->sample_at(20).v == 3.3F);
  CHECK(recording->sample_at(20).p == recording->sample_at(20).i * 3.3F);
  CHECK(recording->sample_at(1'200'000 * 20).i == recording->sample_at(0).i);
  ReplayDevice settings = ppk2();
  settings.duration_s = 1;
  const auto sink = run_unpaced(settings);
  CHECK(sink->samples("ppk2-52") == 100'000);
  CHECK(sink->blocks("ppk2-52").front().axis.decimation == 20);
  check_values(*recording, sink->blocks("ppk2-52"));
}

TEST_CASE("replay source: a loop goes on with its sample_ids") {
  ReplayDevice settings = js220_event();
  settings.loop = true;
  settings.duration_s = 0.0251;
  settings.p_path = event_path + ".p.f32";
  const auto sink = run_unpaced(settings);
  CHECK(sink->samples("js220-001122") == 25'100);
  test::check_continuous(*sink, "js220-001122");
  check_values(*Recording::load(settings), sink->blocks("js220-001122"));
  settings.loop = false;  // the recording is shorter than the duration
  CHECK(run_unpaced(settings)->samples("js220-001122") == 6'000);
}

TEST_CASE("replay source: unpaced goes on at resume") {
  const auto whole = run_unpaced(js220_event());
  const auto rest = run_unpaced(js220_event(), {{"js220-001122", {{}, 7'001, {}}}});
  CHECK(rest->blocks("js220-001122").front().sample_id == 7'002);
  CHECK(rest->samples("js220-001122") == 6'000 - 3'501);
  CHECK(rest->blocks("js220-001122").front().axis == whole->blocks("js220-001122").front().axis);
  check_values(*Recording::load(js220_event()), rest->blocks("js220-001122"));
}

TEST_CASE("replay source: in real time it joins where the clock is") {
  ManualClock clock;
  ReplayDevice settings = js220_event();
  settings.loop = true;
  settings.block_ms = 1;
  settings.origin_utc_ns = clock.realtime_ns() - 3600 * ns_per_s;
  ReplaySource source(clock, {settings});
  CollectingSink sink;
  REQUIRE(source.start(sink, {{"js220-001122", {}}}).ok());
  clock.advance(20 * ns_per_ms);
  REQUIRE(sink.wait_for_samples("js220-001122", 20'000));
  source.stop();
  const auto blocks = sink.blocks("js220-001122");
  CHECK(blocks.front().sample_id == 7'200'000'000);
  CHECK(blocks.front().utc.utc_ns_at(7'200'000'000) == settings.origin_utc_ns + 3600 * ns_per_s);
  CHECK(sink.samples("js220-001122") == 20'000);
  check_values(*Recording::load(settings), blocks);
}

TEST_CASE("replay source: the counter is 2 MHz where the rate divides it") {
  const auto axis = [](uint32_t rate) {
    ReplayDevice settings = js220_event();
    settings.sample_rate_hz = rate;
    REQUIRE(device::validate(settings).ok());
    return device::time_axis(settings);
  };
  CHECK(axis(2'000'000) == wire::TimeAxis{0, 2'000'000, 1});
  CHECK(axis(1'000'000) == wire::TimeAxis{0, 2'000'000, 2});
  CHECK(axis(1) == wire::TimeAxis{0, 2'000'000, 2'000'000});
  CHECK(axis(48'000) == wire::TimeAxis{0, 48'000, 1});
  CHECK(axis(16'000'000) == wire::TimeAxis{0, 16'000'000, 1});
}

TEST_CASE("replay source: other contents are another life") {
  const Folder folder;
  ReplayDevice settings = js220_event();
  const uint64_t original = Recording::load(settings)->fingerprint();
  CHECK(Recording::load(settings)->fingerprint() == original);
  std::string bytes = content(settings.i_path);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  settings.i_path = folder.write("i.f32", bytes);
  CHECK(Recording::load(settings)->fingerprint() != original);
}

TEST_CASE("replay source: all bits of a column are kept") {
  const Folder folder;
  ReplayDevice settings = js220_event();
  std::vector<float> odd;
  for (const uint32_t bits : {0x7FC00001U, 0xFFC12345U, 0x80000000U, 0x00000001U, 0x7F800000U, 0xFF800000U, 0x3F800000U})
    odd.push_back(std::bit_cast<float>(bits));
  settings.i_path = folder.write("i.f32", odd);
  settings.v_path = folder.write("v.f32", odd);
  check_values(*Recording::load(settings), run_unpaced(settings)->blocks("js220-001122"));
  const auto recording = *Recording::load(settings);
  for (size_t k = 0; k < odd.size(); ++k)
    CHECK(std::bit_cast<uint32_t>(recording.sample_at(2 * k).i) == std::bit_cast<uint32_t>(odd[k]));
}

TEST_CASE("replay source: files that are not recordings are refused, with their name") {
  const Folder folder;
  ReplayDevice settings = js220_event();
  const auto error_with = [&](const std::string& i_path) {
    settings.i_path = i_path;
    const Error error = load_error(settings);
    CHECK(says(error, i_path));
    return error;
  };
  CHECK(says(error_with("/nonexistent/i.f32"), "No such file"));
  CHECK(error_with("/nonexistent/i.f32").code == Errc::usage);
  CHECK(says(error_with("tests/data"), "directory"));
  CHECK(says(error_with(folder.write("empty.f32", "")), "empty"));
  CHECK(says(error_with(folder.write("seven.f32", "1234567")), "7 bytes"));
  CHECK(error_with(folder.write("seven.f32", "1234567")).code == Errc::damaged);
  CHECK(says(error_with(folder.write("text.f32.zst", "this is not zstd")), "zstd data is damaged"));
  CHECK(says(error_with(folder.write("empty.f32.zst", "")), "cut off"));
  const std::string sound = content(ppk2_path);
  CHECK(says(error_with(folder.write("cut.f32.zst", sound.substr(0, sound.size() - 5))), "cut off"));
  CHECK(says(error_with(folder.write("cut.f32.zst", sound.substr(0, 1000))), "cut off"));
  CHECK(says(error_with(folder.write("tail.f32.zst", sound + "xyzw")), "damaged"));
  CHECK(says(error_with(folder.write("short.f32", std::string(400, '\0'))), "equally long"));
  CHECK(device::read_column(folder.write("twice.f32.zst", sound + sound))->size() == 2'400'000);
}

TEST_CASE("replay source: damage inside zstd data is found, not played") {
  const Folder folder;
  const std::string sound = content(ppk2_path);
  for (size_t at = 5; at < sound.size(); at += sound.size() / 20) {  // the file has a checksum
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    const auto column = device::read_column(folder.write("flip.f32.zst", bytes));
    REQUIRE(!column.ok());
    CHECK(column.error().code == Errc::damaged);
  }
}

TEST_CASE("replay source: wrong settings are refused, with what is allowed") {
  const auto error_after = [](void (*change)(ReplayDevice&)) {
    ReplayDevice settings = js220_event();
    change(settings);
    CHECK(!device::validate(settings).ok());
    const Error error = load_error(settings);
    CHECK(error.code == Errc::usage);
    CHECK(says(error, "replay device"));
    return error;
  };
  CHECK(device::validate(js220_event()).ok());
  CHECK(says(error_after([](ReplayDevice& s) { s.i_path = ""; }), "i_path"));
  CHECK(says(error_after([](ReplayDevice& s) { s.v_path = ""; }), "neither v_path nor v_constant"));
  CHECK(says(error_after([](ReplayDevice& s) { s.v_constant = 1; }), "both"));
  CHECK(says(error_after([](ReplayDevice& s) { s.v_path = "", s.v_constant = 1e6; }), "1000 V"));
  CHECK(says(error_after([](ReplayDevice& s) { s.sample_rate_hz = 0; }), "1..16000000"));
  CHECK(says(error_after([](ReplayDevice& s) { s.sample_rate_hz = 16'000'001; }), "1..16000000"));
  CHECK(says(error_after([](ReplayDevice& s) { s.serial = "a b"; }), "a-z"));
  CHECK(says(error_after([](ReplayDevice& s) { s.block_ms = 0; }), "1..1000"));
  CHECK(says(error_after([](ReplayDevice& s) { s.duration_s = 1e10; }), "1e9"));
  ManualClock clock;
  CollectingSink sink;
  CHECK(!ReplaySource(clock, {}).start(sink, {}).ok());
  CHECK(!ReplaySource(clock, {js220_event(), js220_event()}).start(sink, {}).ok());
}
