#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/app/control_socket.h"
#include "agent/cli/control_client.h"
#include "agent/cli/status_text.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::cli;
using namespace joulespool::test;
using nlohmann::json;

namespace {

json some_status() {
  return json::parse(R"({"version":1,"software":"0.1.0","host":"lab-7","boot":"b1","uptime_s":93784.5,
    "devices":[{"id":"js110-000001","source":"simulated","state":"streaming","sample_rate_hz":2000000.0,"sample_id_end":4000000,
      "samples":4000000,"samples_lost":12,"energy_units":"4294967296000000","charge_units":"-2147483648000000","power_w":0.0125,
      "ring_fill":0.25,"ring_peak":0.5}],
    "spool":{"directory":"/var/spool","disk_bytes":1048576,"budget_bytes":10485760,"queued_frames":3,"queued_bytes":2048,
      "kept_frames":1,"kept_bytes":1024,"oldest_queued_age_s":5.25,"quarantined_frames":2,
      "frames_merged":500,"frames_evicted":7},
    "uplink":{"connected":true,"bridge_online":true,"bridge_accepting":true,"bridge_reason":"","last_error":"","frames_published":10,
      "bytes_published":4096,"frames_acked":7,"frames_resent":1,"unacked_frames":3}})");
}

std::string text_of(const json& status) {
  const auto text = status_text(status);
  REQUIRE_MESSAGE(text.ok(), (text.ok() ? "" : text.error().message));
  return *text;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Takes one client, sends `answer` to it and hangs up; with an empty answer it says nothing until the client goes.
class OneAnswerServer {
 public:
  OneAnswerServer(const std::string& directory, std::string answer) : answer_(std::move(answer)) {
    listen_ = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory + "/control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(listen_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listen_, 1) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswerServer() {
    thread_.join();
    close(listen_);
  }
  [[nodiscard]] const std::string& request() const { return request_; }

 private:
  void serve() {
    const int client = accept(listen_, nullptr, nullptr);
    char byte = 0;
    while (read(client, &byte, 1) == 1 && byte != '\n') request_ += byte;
    for (size_t at = 0; at < answer_.size();) {
      const ssize_t sent = send(client, answer_.data() + at, answer_.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<size_t>(sent);
    }
    if (answer_.empty()) (void)!read(client, &byte, 1);
    close(client);
  }

  int listen_ = -1;
  std::string answer_;
  std::string request_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("status: text says what is going on, with units") {
  const std::string text = text_of(some_status());
  CHECK(contains(text, "host lab-7, joulespool 0.1.0, up 1 d 02:03 h, boot b1"));
  CHECK(contains(text, "js110-000001"));
  CHECK(contains(text, "2.000 MS/s"));
  CHECK(contains(text, "12.50 mW"));
  CHECK(contains(text, "1.000 J"));
  CHECK(contains(text, "-500.0 mC"));
  CHECK(contains(text, "25 %, peak 50 %"));
  CHECK(contains(text,
                 "1.00 MiB of 10.00 MiB (10 %); waiting: 3 frames, 2.00 KiB, the oldest for 5.2 s; kept: 1 frames, 1.00 KiB"));
  CHECK(contains(text, "set aside as damaged or rejected: 2 frames"));
  CHECK(contains(text, "for want of room since the start: 500 frames merged into longer windows, 7 dropped\n"));
  CHECK(contains(text, "uplink: broker connected, bridge accepting\n"));
}

TEST_CASE("status: text says how far the background check is, and why it is not") {
  json status = some_status();
  CHECK(!contains(text_of(status), "background check"));  // of an agent that does not say
  json& check = status["spool"]["check"] = json::parse(
      R"({"enabled":true,"rounds":0,"last_finished_age_s":null,"frames_checked":7,"bytes_checked":70,"damaged_found":1,"error":""})");
  CHECK(contains(text_of(status), "background check: first round under way; 7 frames checked, 1 damaged\n"));
  check["last_finished_age_s"] = 60;
  check["error"] = "disk\x1b gone";
  CHECK(contains(text_of(status), "background check: finished 00:01:00 ago"));
  CHECK(contains(text_of(status), "the check cannot read: disk"));
  CHECK(!contains(text_of(status), "\x1b"));
  check["enabled"] = false;
  CHECK(!contains(text_of(status), "check"));
}

TEST_CASE("status: text names the first thing that stands in the way") {
  json status = some_status();
  status["uplink"]["bridge_accepting"] = false;
  status["uplink"]["bridge_reason"] = "Kinesis refuses connections";
  CHECK(contains(text_of(status), "uplink: bridge online, but not accepting: Kinesis refuses connections\n"));
  status["uplink"]["bridge_online"] = false;
  CHECK(contains(text_of(status), "uplink: broker connected, but no bridge serves this host\n"));
  status["uplink"]["connected"] = false;
  status["uplink"]["last_error"] = "connection refused";
  CHECK(contains(text_of(status), "uplink: broker not connected: connection refused\n"));
}

TEST_CASE("status: text says of a device in trouble why it is, and what to do") {
  json status = some_status();
  CHECK(!contains(text_of(status), "js110-000001:"));
  status["devices"][0]["state"] = "trouble";
  status["devices"][0]["detail"] = "no permission: install the udev rule\x1b";
  CHECK(contains(text_of(status), "\n  js110-000001: trouble: no permission: install the udev rule"));
  CHECK(!contains(text_of(status), "\x1b"));
  status["devices"][0]["detail"] = "";
  CHECK(!contains(text_of(status), "js110-000001:"));
}

TEST_CASE("status: text of an agent that has no device or no power yet") {
  json status = some_status();
  status["devices"][0]["power_w"] = nullptr;
  status["devices"][0]["sample_rate_hz"] = 0;
  CHECK(contains(text_of(status), "js110-000001"));
  status["devices"] = json::array();
  CHECK(contains(text_of(status), "devices: none\n"));
}

TEST_CASE("status: control characters of foreign text do not reach the terminal") {
  json status = some_status();
  status["uplink"]["connected"] = false;
  status["uplink"]["last_error"] = "\x1b[2J";
  CHECK(!contains(text_of(status), "\x1b"));
}

TEST_CASE("status: what is no status of version 1 is damaged") {
  for (const char* wrong : {"null", "[]", "{}", "{\"version\":2}", "{\"version\":\"1\"}", "{\"version\":1}"}) {
    const auto text = status_text(json::parse(wrong));
    REQUIRE(!text.ok());
    CHECK(text.error().code == Errc::damaged);
  }
  json status = some_status();
  status["spool"]["disk_bytes"] = "many";
  CHECK(!status_text(status).ok());
}

TEST_CASE("control client: the agent's own socket answers, also under a very long path") {
  const TemporaryDirectory directory;
  std::string path = directory.path();
  for (int level = 0; level < 4; ++level) path += "/" + std::string(60, 'd');
  std::filesystem::create_directories(path);
  SystemClock clock;
  app::ControlSocket server;
  std::string asked;
  REQUIRE(server.start(path, [&](const std::string& request) { return asked = request, some_status().dump(); }).ok());
  const auto answer = ask_agent(path, "status", 30000, clock);
  REQUIRE_MESSAGE(answer.ok(), (answer.ok() ? "" : answer.error().message));
  CHECK(json::parse(*answer) == some_status());
  CHECK(json::parse(asked) == json{{"version", 1}, {"request", "status"}});

  const CliResult text = run_in_process({"status", "--spool", path});
  CHECK(text.exit_code == 0);
  CHECK(contains(text.out, "host lab-7"));
  const CliResult document = run_in_process({"status", "--json", "--spool", path});
  CHECK(json::parse(document.out) == some_status());
}

TEST_CASE("control client: nobody there, a socket that nobody serves, and silence are unreachable") {
  const TemporaryDirectory directory;
  SystemClock clock;
  CHECK(ask_agent("/nonexistent", "status", 1000, clock).error().code == Errc::unreachable);
  CHECK(ask_agent(directory.path(), "status", 1000, clock).error().code == Errc::unreachable);
  {
    OneAnswerServer silent(directory.path(), "");
    const auto answer = ask_agent(directory.path(), "status", 50, clock);
    REQUIRE(!answer.ok());
    CHECK(answer.error().code == Errc::unreachable);
    CHECK(contains(answer.error().message, "does not answer"));
  }
  CHECK(ask_agent(directory.path(), "status", 1000, clock).error().code ==
        Errc::unreachable);  // the socket's file is still there
}

TEST_CASE("control client: an answer that is too long or no JSON is not believed") {
  SystemClock clock;
  const TemporaryDirectory directory;
  {
    OneAnswerServer server(directory.path(), std::string(control_answer_bytes_max + 10, 'x'));
    const auto answer = ask_agent(directory.path(), "status", 60000, clock);
    REQUIRE(!answer.ok());
    CHECK(answer.error().code == Errc::damaged);
  }
  std::filesystem::remove(directory / "control.sock");
  OneAnswerServer server(directory.path(), "hello");
  const CliResult result = run_in_process({"status", "--spool", directory.path()});
  CHECK(result.exit_code == 1);
  CHECK(contains(result.err, "no status of version 1"));
}

TEST_CASE("status: without an agent and without a spool, exit code 3 and a hint") {
  const TemporaryDirectory directory;
  const CliResult text = run_in_process({"status", "--spool", directory.path()});
  CHECK(text.exit_code == 3);
  CHECK(text.out.empty());
  CHECK(contains(text.err, "joulespool: no agent answers: "));
  CHECK(contains(text.err, "joulespool run"));
  const auto document = json::parse(run_in_process({"status", "--json", "--spool", directory.path()}).out);
  CHECK(document.at("running") == false);
  CHECK(document.contains("spool_error"));
}
